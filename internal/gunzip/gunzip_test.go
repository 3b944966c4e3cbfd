package gunzip_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/gunzip"
)

func TestReader(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, "text"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		packed.String(): "text", "plain": "plain", "": "", "x": "x",
		"\x1f": "\x1f",
	} {
		r, err := gunzip.Reader(strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); string(got) != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	if _, err := gunzip.Reader(strings.NewReader("\x1f\x8bnot really")); err == nil {
		t.Error("a torn head: no error")
	}
}
