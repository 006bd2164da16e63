module {{name}}

go 1.24

require dacapo v0.1.0

replace dacapo => {{checkout}}/guest-sdk/go
