# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of coded findings: one entry per code, in the order of the codes.

Codes are stable: a code is never given another meaning, and a retired one is not used again.
1xx: what is there (load balancers and mesh). 2xx: routes and what keeps them from mutual TLS. 3xx: the load balancer's sidecar.
4xx: writing and taking back. 5xx: proof. 6xx: chained mode, and load balancers outside of the cluster.
"""

from __future__ import annotations

from .chained_catalogue import CHAINED
from .finding_kind import FindingKind
from .proof_catalogue import PROVING
from .served_catalogue import SERVED
from .unfollowed_catalogue import UNFOLLOWED

__all__ = ["CATALOGUE", "FindingKind"]

CATALOGUE: tuple[FindingKind, ...] = (
    FindingKind(
        "MLB101", "error", "Istio is not installed",
        "No istiod and no Istio custom resources were found, so no route can be given mutual TLS.",
        "Install Istio first, or point the module at the cluster (context) that has it.",
    ),
    FindingKind(
        "MLB102", "warning", "Unknown ingress controller",
        "An IngressClass names a controller that no profile knows; its routes are read as plain Ingresses.",
        "Describe it with custom_profiles, or use host_entry or headless_twin, which need no vendor support.",
    ),
    FindingKind(
        "MLB103", "warning", "Retired software",
        "The project behind this load balancer no longer publishes releases or security fixes.",
        "Plan a migration; chained mode (load balancer, Istio gateway, backend) is a half-way house.",
    ),
    FindingKind(
        "MLB104", "warning", "Two controllers claim one class",
        "An IngressClass's controller name is claimed by workloads of different vendors.",
        "Give one of them another controller name; until then both serve the same Ingresses.",
    ),
    FindingKind(
        "MLB105", "warning", "Kind could not be read",
        "The credentials may not list a kind that the reading needs, so conclusions that depend on it are 'unknown'.",
        "Bind the ClusterRole that the remedy names: docs/rbac.md.",
    ),
    FindingKind(
        "MLB106", "info", "Class without a workload",
        "An IngressClass exists, but no workload of its load balancer was found in the cluster.",
        "The load balancer may run elsewhere, or was uninstalled and left its class behind.",
    ),
    FindingKind(
        "MLB107", "warning", "The CNI undoes Service routing",
        "Cilium's socket load balancing turns a Service's address into a pod's before the sidecar sees it.",
        "Set socketLB.hostNamespaceOnly=true, or use headless_twin or host_entry.",
    ),
    FindingKind(
        "MLB108", "info", "Ambient data plane",
        "The namespace is enrolled in ambient mode; this collection plans for sidecars.",
        "Keep the load balancer out of the ambient mesh, or read docs/architecture.md.",
    ),
    FindingKind(
        "MLB109", "warning", "Several load balancers share a namespace and a class",
        "Two workloads of one vendor serve the same class, so each Ingress is served twice.",
        "Give each of them its own class if that is not intended.",
    ),
    FindingKind(
        "MLB110", "warning", "Kind is no longer served",
        "A kind that earlier runs wrote for, or that comes with Istio, is not served. Conclusions that depend on it are 'unknown'.",
        "Run again when the API server serves it. If it was removed for good, take it out of the annotation meshlb.istio/route-kinds.",
    ),
    FindingKind(
        "MLB111", "warning", "Kept, as its routes could not be read",
        "An object that an earlier run wrote may be for routes of a kind that cannot be read, so it is neither changed nor removed.",
        "Grant the right that is missing (the finding about the kind names it), then run again.",
    ),
    FindingKind(
        "MLB112", "warning", "Kept, as nobody noted what it is for",
        "An earlier release wrote the object. It does not say for which kinds of routes, and one of them may no longer be served.",
        "If nothing needs it any more, take it back with state: absent, or delete it.",
    ),
    FindingKind(
        "MLB114", "warning", "Object that cannot be read",
        "Fields of the object are not of the type that Kubernetes gives them, so conclusions that depend on it are 'unknown'; "
        "nothing is written on it, and what earlier runs wrote for it stays.",
        "Correct the fields that the message names.",
    ),
    FindingKind(
        "MLB115", "warning", "Content that is not understood",
        "What the object says cannot be understood, or has more nesting, copies or alternatives than are followed; "
        "conclusions that depend on it are 'unknown', and what earlier runs wrote for it stays.",
        "Correct or simplify what the message names; report it where the load balancer itself understands it.",
    ),
    FindingKind(
        "MLB116", "warning", "Field that does not exist",
        "A manifest has a field that its kind does not have, and that Kubernetes would refuse or drop.",
        "Correct the spelling, or remove the field.",
    ),
    FindingKind(
        "MLB117", "warning", "Template that was not rendered",
        "A field of a manifest still holds a template's expression, so the object is not the one that will be applied.",
        "Render the manifests first (helm template, kustomize build).",
    ),
    FindingKind(
        "MLB118", "warning", "Kind that is not read",
        "A manifest has an old API version, or a kind or group that is spelt like one that is read, so it is passed over.",
        "Correct the spelling, or move to the version that the message names.",
    ),
    FindingKind(
        "MLB119", "warning", "No load balancer found",
        "Neither a workload nor a class of a load balancer was found, so there is nothing to do here.",
        "Check that this is the cluster (kubeconfig, context) or the folder that was meant, and that its manifests are complete.",
    ),
    FindingKind(
        "MLB120", "warning", "Unclear opt-out",
        "The annotation meshlb.istio/ignore has a value that means neither yes nor no; the object is left alone.",
        "Set it to \"true\" or \"false\".",
    ),
    FindingKind(
        "MLB121", "warning", "Expression of a custom profile failed",
        "An expression of a custom profile cannot be evaluated on this object, so its routes are not known.",
        "Correct the object, or write the expression so that it takes such objects.",
    ),
    FindingKind(
        "MLB122", "warning", "Settings that cannot be read",
        "A ConfigMap with settings of the mesh or of a load balancer is malformed, or larger or deeper than is followed; "
        "conclusions that depend on it are 'unknown', and what earlier runs wrote for them stays.",
        "Correct what the message names.",
    ),
    FindingKind(
        "MLB123", "warning", "The API server is not told from another",
        "The API server is asked without TLS, or its certificate is not checked. Somebody on the way to it gets the credentials, and "
        "can make a run write something else.",
        "Set ca_cert (or certificate-authority in the kubeconfig) to the cluster's authority, and leave validate_certs at true.",
    ),
    FindingKind(
        "MLB126", "warning", "Clients from outside are refused",
        "The load balancer is in ambient mode and its own ports are STRICT, so ztunnel refuses whoever is not in the mesh.",
        "Make the ports that clients use PERMISSIVE (portLevelMtls of a PeerAuthentication), or leave ambient mode with the load balancer.",
    ),
    FindingKind(
        "MLB127", "warning", "A NetworkPolicy keeps istiod away",
        "A sidecar gets its certificate and its configuration from istiod, TCP port 15012. Without them its pod is never ready.",
        "Let the load balancer's pods send to istiod in the NetworkPolicy that the message names.",
    ),
    FindingKind(
        "MLB128", "info", "Istio is older than what was compared",
        "The verdicts are compared with Istio's own code, version by version. This control plane is older than the oldest one of those.",
        "Prove the verdicts on the cluster (module mtls_proof), or move to a version that is compared (docs/truth.md).",
    ),
    *UNFOLLOWED,
    *SERVED,
    FindingKind(
        "MLB201", "error", "No strategy serves this route",
        "None of the strategies that are allowed here gives this route mutual TLS.",
        "The message says per strategy what stands in the way.",
    ),
    FindingKind(
        "MLB202", "error", "The pinned strategy cannot serve this route",
        "The strategy was set for the run or by the meshlb.istio/strategy annotation, and does not work here.",
        "Remove the pin, or choose one of those that the message names.",
    ),
    FindingKind(
        "MLB203", "error", "A user's own setting conflicts",
        "A field that the plan needs has another value that somebody set on purpose; it is not overwritten.",
        "Change or remove the value, or use a strategy that does not need it.",
    ),
    FindingKind(
        "MLB204", "error", "Traffic would reach another Service",
        "On a port declared as HTTP the Host header decides, so this route's requests reach another Service than it names.",
        "Use a strategy that leaves the choice to the load balancer: host_entry or headless_twin.",
    ),
    FindingKind(
        "MLB205", "warning", "Always pod addresses",
        "This kind of route (TCP or UDP service, default backend) is sent to pod addresses whatever the annotations say.",
        "headless_twin serves TCP routes and default backends; UDP is not carried by the mesh.",
    ),
    FindingKind(
        "MLB206", "error", "Backend not found",
        "The route names a Service or a port that does not exist.",
        "Create it, or correct the route.",
    ),
    FindingKind(
        "MLB207", "warning", "Backend outside the mesh",
        "Some or all pods of the backend have no sidecar, so they cannot take part in mutual TLS.",
        "Inject the backend's namespace or workload.",
    ),
    FindingKind(
        "MLB208", "warning", "Backend is not a cluster Service",
        "The backend is an ExternalName Service or a resource backend; mesh mutual TLS does not apply to it.",
        "Route to a Service that selects pods of the mesh.",
    ),
    FindingKind(
        "MLB209", "warning", "TLS to the backend",
        "The load balancer speaks TLS to this backend itself, which hides the request from its sidecar.",
        "Send plain HTTP and let the sidecar encrypt, or declare the Service port as https so that TLS is carried inside mutual TLS.",
    ),
    FindingKind(
        "MLB210", "warning", "Shared upstream",
        "Routes that share one upstream inside the load balancer disagree about a setting; the first one decides for all.",
        "Give all of them the same setting, as the plan does.",
    ),
    FindingKind(
        "MLB211", "warning", "Backend without pods",
        "No pod of the backend is known, so nothing can be said about its side of the connection.",
        "Start the backend, then run again.",
    ),
    FindingKind(
        "MLB212", "warning", "The sidecar does not know the backend",
        "A Sidecar resource or an exportTo hides the Service from the load balancer's namespace.",
        "Add the Service to the Sidecar's egress hosts, or export it to that namespace.",
    ),
    FindingKind(
        "MLB213", "info", "Route excluded",
        "The route's object carries meshlb.istio/ignore: \"true\".",
        "Remove the annotation to have it planned.",
    ),
    FindingKind(
        "MLB214", "warning", "A DestinationRule decides about TLS",
        "A DestinationRule for this Service sets a TLS mode that replaces automatic mutual TLS.",
        "Remove trafficPolicy.tls from it, or set ISTIO_MUTUAL.",
    ),
    FindingKind(
        "MLB215", "warning", "Something is lost with this strategy",
        "The chosen strategy gives up something that is in use on this route.",
        "The message says what; pin another strategy to keep it.",
    ),
    FindingKind(
        "MLB216", "info", "Owned by another tool",
        "The object is managed by another tool, which may put back what this run changes.",
        "Make the change where that tool reads it; with output_dir the plan is written as files for it.",
    ),
    FindingKind(
        "MLB217", "error", "Unknown strategy in an annotation",
        "The meshlb.istio/strategy annotation holds a word that is no strategy.",
        "Use one of the strategies that the message lists, or remove the annotation.",
    ),
    FindingKind(
        "MLB218", "warning", "Reference into another namespace is not granted",
        "A Gateway API route names a Service of another namespace that does not allow it, so the route answers with an error.",
        "Create a ReferenceGrant in the Service's namespace, or put the route there.",
    ),
    FindingKind(
        "MLB219", "info", "Service routing alone is not enough here",
        "The load balancer already routes to the Service's address, but the port is declared as HTTP, so the Host header decides.",
        "The plan gives the route a strategy. Istio's page asks for no more than Service routing; that holds for undeclared and TCP ports.",
    ),
    FindingKind(
        "MLB220", "warning", "The load balancer drops this route",
        "A mistake in the route's object makes the load balancer leave it out, so nothing is planned for it.",
        "Correct what the message names.",
    ),
    FindingKind(
        "MLB221", "warning", "No sidecar gets this route",
        "The load balancer's pods forward these connections in the kernel, where no sidecar captures them, so nothing is planned for them.",
        "Lead clients through a route that a process of the load balancer carries, or accept plaintext on the backend's port.",
    ),
    FindingKind(
        "MLB222", "error", "The host is not the route's to claim",
        "Its host names or covers something of the mesh's own, or a load balancer dials it for somebody else, so no object is made for it.",
        "Give the route a public host of its own, or use a strategy that needs none.",
    ),
    FindingKind(
        "MLB223", "error", "Left out, as it would make a route worse",
        "A part of the plan would cost a route its mutual TLS, its backend or its answers; it is not written, and what is there stays.",
        "Correct the object that is named as the cause, or allow exactly this with allow_regressions.",
    ),
    FindingKind(
        "MLB224", "info", "Objects in another namespace than the route's",
        "What the plan makes for a route is in the namespace of its load balancer or of its backend, not in its own.",
        "Set namespaces to limit where objects are made, or choose a strategy that makes none there.",
    ),
    FindingKind(
        "MLB226", "warning", "The pinned strategy is not allowed",
        "Annotations may pin only what pinnable_strategies allows, so the route is planned as if it had no pin.",
        "Add the strategy to pinnable_strategies, or remove the annotation.",
    ),
    FindingKind(
        "MLB227", "warning", "A load balancer beside one that is planned already",
        "It serves routes of a load balancer for which earlier runs wrote something, from another namespace, so it is planned around.",
        "Name it in load_balancers to have it planned too, or find out who made it.",
    ),
    FindingKind(
        "MLB228", "warning", "Some requests reach another Service",
        "A VirtualService, or a route of the Gateway API with a Service as its parent, leads a share or a part of this route elsewhere.",
        "Nothing if that is meant; else correct the object that the message names.",
    ),
    FindingKind(
        "MLB229", "warning", "A Service for pods of the same node",
        "With internalTrafficPolicy Local, a load balancer on a node without such a pod gets 503 where it dials the Service's address.",
        "Run both on the same nodes, set internalTrafficPolicy to Cluster, or use a strategy that keeps pod addresses.",
    ),
    FindingKind(
        "MLB230", "warning", "HTTP/1.0 towards the backend",
        "Unless istiod runs with PILOT_HTTP10, sidecars do not read HTTP/1.0: on the way out its address alone counts, and where a "
        "backend's port is HTTP, the answer is 426.",
        "Have the load balancer speak HTTP/1.1, or set PILOT_HTTP10 for istiod.",
    ),
    FindingKind(
        "MLB240", "warning", "The load balancer's identity is not admitted",
        "The backend has policies that allow, and none of them allows the identity that the backend sees, so requests are denied (403).",
        "Add the rule that the finding's remedy gives to the policy, or have another one admit the load balancer.",
    ),
    FindingKind(
        "MLB241", "warning", "A policy answers otherwise once the load balancer has an identity",
        "In plaintext the backend sees no identity. With mutual TLS it sees the load balancer's, and rules about identities begin to hold.",
        "Change the policy if that is not intended; a route that would lose access is left as it is.",
    ),
    FindingKind(
        "MLB242", "warning", "Rules about HTTP on a port that is handled as TCP",
        "The backend's sidecar handles the port as TCP: rules that allow by path, method, host, header or token admit nobody there, "
        "rules that deny by them deny everybody, and no token is checked.",
        "Declare the port's protocol (http- before its name, or appProtocol), or write the policy without HTTP.",
    ),
    FindingKind(
        "MLB243", "warning", "Rules about addresses, and the backend will see another one",
        "Behind a gateway the backend sees the gateway's address, and as the client's the one that the gateway notes.",
        "Admit the gateway's identity, and let the gateway itself decide about clients' addresses.",
    ),
    FindingKind(
        "MLB244", "warning", "Whether requests are admitted is not known",
        "Policies of the mesh could not be read, or not as a whole, so nobody knows whom they admit.",
        "Grant the right that is missing (docs/rbac.md), or correct the object that the message names.",
    ),
    FindingKind(
        "MLB245", "warning", "Requests are denied",
        "A policy of the backend denies every request of the route, whoever the load balancer is to the mesh.",
        "Change the policy that the message names if the route is meant to be served.",
    ),
    FindingKind(
        "MLB246", "info", "Whether requests are admitted is decided elsewhere",
        "A policy depends on what no object in the cluster says: a service of its own, an address, or the proxies of an ambient backend.",
        "Ask the route itself; mtls_proof tells what its backend's proxy answers.",
    ),
    FindingKind(
        "MLB250", "warning", "A twin decides about its backend's port",
        "A headless twin is not younger than the Service beside it, so the backend's sidecars handle its requests as TCP for every client.",
        "The run makes a younger twin, or takes another strategy, then removes the old one. With files, apply them again.",
    ),
    FindingKind(
        "MLB251", "warning", "A strategy with a cost that auto does not pay",
        "The route's strategy is pinned, or in place from an earlier run, and costs others or the route itself what the message says.",
        "Remove the pin, or choose another strategy, unless that is meant. Pods that it does no harm can be named in harmless_pods.",
    ),
    FindingKind(
        "MLB252", "info", "A sidecar could not be asked before something was taken away",
        "What replaces it was made, and some seconds were waited, but whether the load balancer's sidecar knew it by then is not known.",
        "Grant create on pods/portforward in the load balancer's namespace, as for mtls_proof.",
    ),
    FindingKind(
        "MLB301", "error", "A sidecar cannot be injected",
        "Injection is not possible for this workload.",
        "The message says why; chained mode needs no sidecar.",
    ),
    FindingKind(
        "MLB302", "warning", "No sidecar yet",
        "The load balancer has no sidecar, so the plan's verdicts hold only once it has one.",
        "Run the lb_sidecar module, or the standalone_mtls playbook, which does both.",
    ),
    FindingKind(
        "MLB303", "warning", "Inbound traffic is captured",
        "The sidecar captures the load balancer's inbound ports, so clients outside the mesh are refused under STRICT.",
        "Run the lb_sidecar module. It sets includeInboundPorts to the empty string, and the label security.istio.io/tlsMode to disabled, "
        "without which clients in the mesh go on to speak mutual TLS to the load balancer.",
    ),
    FindingKind(
        "MLB304", "warning", "Outbound traffic is not captured",
        "An annotation or a mesh-wide setting keeps some of the load balancer's outbound traffic away from its sidecar.",
        "Keep in the annotation that the message names only what is no backend of its routes, or remove it. A mesh-wide setting gives way "
        "to the annotation of that name on the pods. Under REGISTRY_ONLY, what is outside of the mesh needs a ServiceEntry.",
    ),
    FindingKind(
        "MLB305", "warning", "A rollout takes pods away first",
        "The load balancer's rollout lets all of its pods be missing at once, so requests are lost until new ones are ready.",
        "Use the strategy RollingUpdate with a maxUnavailable below all of them, or make the change when nobody needs it.",
    ),
    FindingKind(
        "MLB306", "warning", "There is one pod alone",
        "The load balancer has one pod, so a rollout ends the connections that it holds, and may be without a pod for a moment.",
        "Run at least two, for the time of the rollout.",
    ),
    FindingKind(
        "MLB307", "warning", "New pods count as ready at once",
        "Nothing says when a new pod of the load balancer takes requests, so a rollout ends old ones before the new ones do.",
        "Give its container a readinessProbe.",
    ),
    FindingKind(
        "MLB308", "warning", "A budget allows no disruption",
        "A PodDisruptionBudget allows no pod of the load balancer to be missing. A rollout does not heed it, and evictions wait for ever.",
        "Let the budget allow one, or run one pod more.",
    ),
    FindingKind(
        "MLB309", "warning", "The proxy or the rollout is set otherwise",
        "A setting that the load balancer's owner made keeps its pods from being replaced, or their proxy from outliving them.",
        "The message names it: change or remove it, or replace the pods when nobody needs them.",
    ),
    FindingKind(
        "MLB310", "warning", "Planned around, as another load balancer serves its routes",
        "Workloads in different namespaces serve the same routes. What nobody can make in one namespace alone tells which is meant: its "
        "class's release, the addresses in the routes' status, its age. The other one is planned around.",
        "Name it in load_balancers to have it planned too, or find out who made it.",
    ),
    FindingKind(
        "MLB311", "error", "Which load balancer is meant cannot be told",
        "Workloads in different namespaces serve the same routes, and nothing tells which of them is meant. Neither is planned, and what "
        "is in place for their routes stays.",
        "Name yours in load_balancers, or give each of them a class of its own.",
    ),
    FindingKind(
        "MLB312", "warning", "The load balancer asks to be left alone",
        "The annotation meshlb.istio/ignore is on the load balancer's workload, so nothing is written on it; what is there stays.",
        "Remove the annotation to have it given a sidecar, or use state: absent to take back the one that it has.",
    ),
    FindingKind(
        "MLB401", "warning", "Changed by somebody else in the meantime",
        "A field that this collection had set was changed since; it is left alone.",
        "Decide which value is wanted, and set it by hand.",
    ),
    FindingKind(
        "MLB402", "error", "An object of that name already exists",
        "The plan would create an object whose name is taken by one that this collection does not own.",
        "Rename or remove it, or use another strategy.",
    ),
    FindingKind(
        "MLB403", "warning", "A write could not be rehearsed",
        "An admission webhook does not support dry runs, so whether it accepts the change is seen only when it is made.",
        "Nothing to do if the write succeeds.",
    ),
    FindingKind(
        "MLB404", "warning", "Not created by this collection, whatever it says",
        "An object has this collection's marks, but a kind or a name that it gives nothing that it creates, so it is never deleted.",
        "Remove the label and the annotations of this collection from it, or remove the object.",
    ),
    FindingKind(
        "MLB405", "warning", "Bookkeeping that this collection did not make",
        "An object's annotation meshlb.istio/replaced names fields that are never set, or values that cannot have been there.",
        "Remove these entries. Fields that a custom profile had set are given back by a run that is given the profile.",
    ),
    FindingKind(
        "MLB406", "error", "An object's fields could not be planned",
        "A field that the plan needs cannot be set on this object, which is left alone; everything else is written.",
        "Correct the object as the finding says, then run again.",
    ),
    FindingKind(
        "MLB407", "error", "Left as it is, as what it is for cannot be seen",
        "An object says that it is for routes of a kind that cannot be read or is not served, so it is neither taken back nor left out of "
        "files in silence. Everything else is done; the run then fails.",
        "Grant the right that is missing, or have the kind served, then run again; or delete the object by hand.",
    ),
    FindingKind(
        "MLB408", "error", "Not taken back, as not all of it can be seen",
        "Kinds that are written for this load balancer (or chain) cannot be listed, so nothing of it is taken back. What was written for "
        "others is; the run then fails.",
        "Grant the right that is missing, then run again.",
    ),
    FindingKind(
        "MLB409", "error", "Left out, as nobody knows what is there already",
        "A part of the plan writes objects of a kind that cannot be read. Everything else is written; the run then fails.",
        "Grant the right that is missing, then run again.",
    ),
    FindingKind(
        "MLB410", "warning", "Runs at the same time are not kept apart",
        "The run may not use Leases, so it neither waits for other runs nor holds them up. A write still applies only to what was read.",
        "Grant list, create, patch and delete on leases in the namespace of the message; docs/rbac.md has the rules.",
    ),
    FindingKind(
        "MLB411", "info", "Waited for another run",
        "Another run was at work on the same namespaces. When it had ended, this run read the cluster and planned anew.",
        "Nothing to do.",
    ),
    FindingKind(
        "MLB412", "info", "A file stays",
        "A file that an earlier run wrote to output_dir holds something for routes or load balancers that this run was not about.",
        "To have one folder for all of them, run without namespaces, label_selector and load_balancers.",
    ),
    *PROVING,
    *CHAINED,
)
