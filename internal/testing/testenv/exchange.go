package testenv

import (
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/rawhttp"
)

// Exchange is one request and its answer, as recorded in a file *.http.
type Exchange = rawhttp.Exchange

// ReadExchange reads a recorded exchange.
func ReadExchange(t testing.TB, path ...string) Exchange {
	t.Helper()
	e, err := rawhttp.Read(Read(t, path...))
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(path, "/"), err)
	}
	return e
}
