package phrase_test

import _ "github.com/mozci/mozci/internal/testing/flags" // go test ./... -record
