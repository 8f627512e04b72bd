# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""ingress-nginx: the controller and chart of its module, on Debian's nginx."""

import re
from typing import Final

from meshlab import paths, versions
from meshlab.addons.base import Addon, Chart
from meshlab.build.specs import Asset, Image, Item, Layer, Program
from meshlab.cluster.core import DEBIAN
from meshlab.cluster.kubectl import helm
from meshlab.cluster.record import Cluster

VALUES: Final = paths.MANIFESTS / "ingress-nginx-values.yaml"
NAMESPACE: Final = "ingress-nginx"
MODULE: Final = "k8s.io/ingress-nginx"
WWW_DATA: Final = 33
PROGRAM: Final = Program(
    name="ingress-nginx",
    packages={
        "nginx-ingress-controller": "k8s.io/ingress-nginx/cmd/nginx",
        "wait-shutdown": "k8s.io/ingress-nginx/cmd/waitshutdown",
    },
    variables={"k8s.io/ingress-nginx/version.RELEASE": f"v{versions.INGRESS_NGINX}"},
    assets=(
        Asset(MODULE, "charts/ingress-nginx", "ingress-nginx"),
        Asset(MODULE, "rootfs/etc/nginx", "etc-nginx"),
    ),
    minutes=1,
    disk_gb=1,
)


def adapt_template(text: str) -> str:
    """Fit the configuration template to Debian's nginx.

    Its modules are loaded at run time, and its stream module has no Lua: the stream block keeps only the listener
    to which the controller reports TCP and UDP services, so those services are not real here.
    """
    names = ("ndk_http", "ngx_http_lua", "ngx_http_headers_more_filter", "ngx_stream")
    loads = "".join(f"load_module /usr/lib/nginx/modules/{name}_module.so;\n" for name in names)
    listener = 'stream {\n    server { listen 127.0.0.1:{{ .StreamPort }}; access_log off; return ""; }\n}\n'
    text, found = re.subn(r"^pid \{\{ \.PID \}\};\n", lambda match: match[0] + loads, text, flags=re.MULTILINE)
    text, streams = re.subn(r"^stream \{\n.*?^\}\n", lambda match: listener, text, flags=re.MULTILINE | re.DOTALL)
    if (found, streams) != (1, 1):
        raise ValueError("the nginx template is not the one that is known here")
    return text


CONTROLLER: Final = Layer(
    "ingress-nginx",
    (
        Item("nginx-ingress-controller", PROGRAM, "bin/nginx-ingress-controller"),
        Item("wait-shutdown", PROGRAM, "bin/wait-shutdown"),
        Item("usr/bin/nginx", link="/usr/sbin/nginx"),
        Item("etc/nginx", owner=WWW_DATA),
        Item("etc/nginx/nginx.conf", PROGRAM, "assets/etc-nginx/nginx.conf", owner=WWW_DATA),
        Item("etc/nginx/lua", PROGRAM, "assets/etc-nginx/lua", owner=WWW_DATA),
        Item("etc/nginx/lua/resty", paths.IMAGE_FILES / "ingress-nginx" / "resty", owner=WWW_DATA),
        Item("etc/nginx/template", owner=WWW_DATA),
        Item("etc/nginx/template/nginx.tmpl", PROGRAM, "assets/etc-nginx/template/nginx.tmpl", owner=WWW_DATA,
             edit=adapt_template),
        *(
            Item(folder, owner=WWW_DATA)
            for folder in (
                "etc/ingress-controller",
                "etc/ingress-controller/ssl",
                "etc/ingress-controller/auth",
                "etc/ingress-controller/geoip",
                "etc/ingress-controller/telemetry",
                "var/log/nginx",
                "var/lib/nginx",
                "tmp/nginx",
            )
        ),
        Item("var/log/nginx/access.log", link="/dev/stdout"),
        Item("var/log/nginx/error.log", link="/dev/stderr"),
    ),
)  # fmt: skip
IMAGE: Final = Image(
    name="ingress-nginx/controller",
    tag=f"v{versions.INGRESS_NGINX}",
    layers=(DEBIAN, CONTROLLER),
    entrypoint=("/usr/bin/dumb-init", "--"),
    user="33:33",
    workdir="/etc/nginx",
)
CHART: Final = Chart(PROGRAM, "ingress-nginx")


def install(cluster: Cluster) -> None:
    """Install or upgrade the release, without a sidecar: putting it into the mesh is the collection's work."""
    place = ["-n", NAMESPACE, "--create-namespace"]
    helm(cluster, "upgrade", "--install", "ingress-nginx", CHART.path, *place, "-f", VALUES)


ADDON: Final = Addon(
    name="ingress-nginx",
    install=install,
    images=(IMAGE,),
    programs=(PROGRAM,),
    inputs=(VALUES,),
    deployments=((NAMESPACE, "ingress-nginx-controller"),),
    charts={"ingress-nginx": CHART},
)
