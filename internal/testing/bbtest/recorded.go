package bbtest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// Exchange is one exchange with a real master, as it was recorded.
type Exchange struct {
	File    string // 025-builds-complete.http
	Request string // GET /path, as the master was asked
	Asked   []byte // what was posted
	Header  http.Header
	Status  int
	Body    []byte
}

// Recorded reads the exchanges in shared/wire/buildbot, by their numbers; without
// them the test is skipped.
func Recorded(t testing.TB) []Exchange {
	t.Helper()
	const least = 150
	files, err := filepath.Glob(filepath.Join(testenv.Shared(t, "wire", "buildbot"), "*.http"))
	if err != nil || len(files) < least {
		t.Fatalf("%d recorded exchanges, expected %d or more: %v", len(files), least, err)
	}
	out := make([]Exchange, len(files))
	for i, f := range files {
		if out[i], err = readExchange(f); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
	}
	return out
}

func readExchange(file string) (Exchange, error) {
	text, err := os.ReadFile(file) // #nosec G304 -- a recording
	if err != nil {
		return Exchange{}, err
	}
	request, _, _ := bytes.Cut(text, []byte("\n"))
	at := bytes.Index(text, []byte("\nHTTP/1.1 "))
	if at < 0 {
		return Exchange{}, errors.New("no answer")
	}
	_, posted, _ := bytes.Cut(text[:at], []byte("\n\n"))
	// The recorded bodies are whole, whatever the header says of chunks.
	answer := bytes.Replace(text[at+1:], []byte("Transfer-Encoding: chunked"), []byte("X-Was: chunked"), 1)
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil {
		return Exchange{}, err
	}
	body, err := io.ReadAll(res.Body)
	return Exchange{
		File:    filepath.Base(file),
		Request: strings.TrimSuffix(strings.TrimPrefix(string(request), "> "), " HTTP/1.1"),
		Asked:   bytes.TrimSpace(posted),
		Header:  res.Header, Status: res.StatusCode, Body: bytes.TrimSuffix(body, []byte("\n")),
	}, errors.Join(err, res.Body.Close())
}
