module github.com/mozci/mozci

go 1.25.0

require github.com/google/go-cmp v0.7.0

require (
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	golang.org/x/sync v0.19.0 // indirect
	gopkg.in/dnaeon/go-vcr.v3 v3.2.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
