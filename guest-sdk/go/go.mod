module dacapo

go 1.24
