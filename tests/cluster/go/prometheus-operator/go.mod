// The CustomResourceDefinitions of the Prometheus Operator, which the chart's monitors and rules have to meet.
module pryv.io/operator/tests/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.93.0
