// What pods of the tests run.
module pryv.io/operator/tests/client

go 1.26.0
