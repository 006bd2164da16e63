module conformance

go 1.24

require dacapo v0.1.0

replace dacapo => ../../guest-sdk/go
