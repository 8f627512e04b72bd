// Modules of load balancers that cannot run here, of which only the CustomResourceDefinitions are taken: nothing is compiled,
// so what the modules themselves require is not listed.
module meshlb.istio/lab/kinds

go 1.26.0

require (
	github.com/F5Networks/k8s-bigip-ctlr/v2 v2.20.1
	github.com/GoogleCloudPlatform/gke-gateway-api v1.3.0
	github.com/GoogleCloudPlatform/gke-managed-certs v1.2.12
	github.com/openshift/api v0.0.0-20260501191448-a49973eaef53
	// v2.17.1: newer ones, and tags of this path, cannot be had as modules.
	sigs.k8s.io/aws-load-balancer-controller v0.0.0-20260109171550-3b9bdb1e3fb2
)
