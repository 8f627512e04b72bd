module meshlb.istio/lab/pause

go 1.26
