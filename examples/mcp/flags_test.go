package main

import _ "github.com/mozci/mozci/internal/testing/flags" // go test ./... -record
