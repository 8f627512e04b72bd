module meshlb.istio/lab/echo

go 1.26
