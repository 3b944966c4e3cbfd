package taskcluster_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/taskcluster"
)

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

// read reads an artifact whole, and closes what Open gave.
func read(t *testing.T, c *taskcluster.Client, id, name string) (string, error) {
	t.Helper()
	var got bytes.Buffer
	err := c.ReadArtifact(t.Context(), id, 0, name, func(r io.Reader) error {
		got.Reset()
		_, err := got.ReadFrom(r)
		return err
	})
	body, openErr := c.OpenArtifact(t.Context(), id, 0, name)
	if openErr == nil {
		again, readErr := io.ReadAll(body)
		if openErr = errors.Join(readErr, body.Close()); err == nil && len(again) == 0 && got.Len() > 0 {
			t.Errorf("Open of %s gave nothing", name)
		}
	}
	if (err == nil) != (openErr == nil) {
		t.Errorf("%s: Read says %v, and Open %v", name, err, openErr)
	}
	return got.String(), err
}

// stores answers where the artifacts of a task are, each in another way, as its
// name says.
func stores(w http.ResponseWriter, r *http.Request, id string) bool {
	at := func(name string) string { return "http://" + r.Host + "/bucket/" + id + "/0/public/" + name }
	say := func(v any) bool { _ = json.NewEncoder(w).Encode(v); return true }
	_, name, isContent := strings.Cut(r.URL.Path, "/artifact-content/public/")
	switch {
	case isContent && (name == "reference" || name == "link"):
		return say(tctest.Object{"storageType": name, "url": at(name)})
	case isContent && (name == "object" || name == "simple"):
		return say(tctest.Object{
			"storageType": "object", "name": "t/" + name,
			"credentials": tctest.Object{
				"clientId": "object-client", "accessToken": "object-token", "certificate": "",
			},
		})
	case isContent && name == "error":
		return say(tctest.Object{
			"storageType": "error", "reason": "file-missing-on-worker",
			"message": "no such file",
		})
	case isContent && name == "magic":
		return say(tctest.Object{"storageType": "magic", "url": at(name)})
	case isContent && name == "nowhere":
		return say(tctest.Object{"storageType": "s3"})
	case strings.Contains(r.URL.EscapedPath(), "/object/v1/start-download/t%2F"):
		if !strings.Contains(r.Header.Get("Authorization"), `id="object-client"`) {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		method := map[string]string{"object": "getUrl", "simple": "simple"}[name]
		return say(tctest.Object{"method": method, "url": at(name), "expires": "2030-01-01T00:00:00.000Z"})
	case strings.HasSuffix(r.URL.Path, "/public/half") && strings.HasPrefix(r.URL.Path, "/bucket/"):
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("half"))
		panic(http.ErrAbortHandler)
	}
	return false
}

// Every way in which an artifact can be stored.
func TestStorageTypes(t *testing.T) {
	s, decision := world()
	id := s.Tasks(decision, test)[0]
	for _, n := range []string{"s3", "reference", "link", "object", "simple", "error", "magic", "nowhere", "half"} {
		s.Put(id, 0, "public/"+n, []byte("bytes of "+n))
	}
	s.Put(id, 0, "public/twice", gzipped("bytes of twice"))
	s.Before = func(w http.ResponseWriter, r *http.Request) bool { return stores(w, r, id) }
	c := serve(t, s)
	for _, n := range []string{"s3", "reference", "link", "object", "simple", "twice"} {
		if got, err := read(t, c, id, "public/"+n); err != nil || got != "bytes of "+n {
			t.Errorf("%s: %q, %v", n, got, err)
		}
	}
	var promised *taskcluster.ArtifactError
	if _, err := read(t, c, id, "public/error"); !errors.Is(err, job.ErrNotFound) || !errors.As(err, &promised) ||
		promised.Reason != "file-missing-on-worker" {
		t.Errorf("an error artifact: %v", err)
	}
	if _, err := read(t, c, id, "public/magic"); !errors.Is(err, job.ErrUnknownWord) ||
		!strings.Contains(err.Error(), `"magic"`) {
		t.Errorf("a storage that nobody documents: %v", err)
	}
	if _, err := read(t, c, id, "public/nowhere"); !errors.Is(err, job.ErrMalformed) {
		t.Errorf("no URL: %v", err)
	}
	if _, err := read(t, c, id, "public/absent"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	if _, err := read(t, c, "nonsense", "public/s3"); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("no task id: %v", err)
	}
}

// A deployment from before artifact-content redirects to the store, which
// refuses the queue's signature.
func TestOldDeployment(t *testing.T) {
	s, decision := world()
	s.Old = true
	id := s.Tasks(decision, test)[0]
	s.Put(id, 0, "public/x/y.txt", []byte("bytes"))
	if got, err := read(t, serve(t, s), id, "public/x/y.txt"); err != nil || got != "bytes" {
		t.Errorf("%q, %v", got, err)
	}
}

// A store that compresses although it was not asked to, and one that keeps
// compressed files as they are: both are read plain.
func TestArtifactsAreDecompressed(t *testing.T) {
	s, decision := world()
	id := s.Tasks(decision, test)[0]
	s.Put(id, 0, "public/plain.txt", []byte("plain"))
	s.Put(id, 0, "public/kept.txt", gzipped("kept"))
	s.Put(id, 0, "public/short", []byte("\x1f"))
	s.Put(id, 0, "public/false", []byte("\x1f\x8b is not gzip"))
	c := serve(t, s)
	for name, want := range map[string]string{"plain.txt": "plain", "kept.txt": "kept", "short": "\x1f"} {
		if got, err := read(t, c, id, "public/"+name); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	err := c.ReadArtifact(t.Context(), id, 0, "public/false",
		func(r io.Reader) error { _, err := io.ReadAll(r); return err })
	if !errors.Is(err, job.ErrMalformed) {
		t.Errorf("what begins as gzip does and is none: %v", err)
	}
}

// endless gives bytes for as long as somebody reads.
type endless struct{ b byte }

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.b
	}
	return len(p), nil
}

// Files that would fill the memory: a gigabyte of actions.json, a bomb, and a
// file of another type than its name says.
func TestHugeArtifacts(t *testing.T) {
	for name, write := range map[string]func(w http.ResponseWriter){
		"a gigabyte": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", fmt.Sprint(1<<30))
			_, _ = io.Copy(w, io.LimitReader(endless{' '}, 1<<30))
		},
		"a bomb": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.Copy(z, io.LimitReader(endless{' '}, 1<<30))
			_ = z.Close()
		},
		"a bomb that is not said": func(w http.ResponseWriter) {
			z := gzip.NewWriter(w)
			_, _ = io.Copy(z, io.LimitReader(endless{' '}, 1<<30))
			_ = z.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := world()
			s.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.URL.Path, "/bucket/") || !strings.HasSuffix(r.URL.Path, "/actions.json") {
					return false
				}
				write(w)
				return true
			}
			_, err := serve(t, s).Project("autoland", nil).Trigger(t.Context(),
				job.Request{Label: test, Push: push(20), Count: 1})
			if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "actions.json") ||
				!strings.Contains(err.Error(), "larger than 8388608 bytes") {
				t.Error(err)
			}
		})
	}
}

// A picture under the name of actions.json is malformed, and says what it is.
func TestWrongContent(t *testing.T) {
	s, decision := world()
	s.Put(decision, 0, "public/actions.json", []byte("\x89PNG\r\n\x1a\n\x00\x00"))
	_, err := serve(t, s).Project("autoland", nil).Trigger(t.Context(),
		job.Request{Label: test, Push: push(20), Count: 1})
	if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "PNG") {
		t.Error(err)
	}
}
