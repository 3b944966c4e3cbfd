package taskcluster

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// Latest is the number that means a task's latest run. After a rerun that is
// the new one, which may have no artifacts yet.
const Latest = -1

// Artifact is a file that a run left behind.
type Artifact struct {
	Name        string    `json:"name" is:"required" min:"1"`
	StorageType string    `json:"storageType" is:"required" words:"s3 object reference link error"`
	ContentType string    `json:"contentType" is:"required"`
	Expires     time.Time `json:"expires" is:"required"`

	_ contract.Also `names:"contentLength"` // since 2022
}

type artifactPage struct {
	Artifacts []Artifact `json:"artifacts" is:"required"`
	paged
}

// artifacts are listed each under a name of its own.
var artifacts = listed(contract.Endpoint[artifactPage]{
	Source: source, Name: "queue.listArtifacts",
	URL: `/queue/v1/task/(?P<task>[^/]+)(/runs/[0-9]+)?/artifacts$`, File: `task_artifacts\.json`,
}, "artifacts", func(p *artifactPage) ([]Artifact, string) { return p.Artifacts, p.Token },
	func(contract.Asked) func(*Artifact) error {
		seen := map[string]bool{}
		return func(a *Artifact) error {
			if seen[a.Name] {
				return contract.Outside("name", "%.80q comes twice", a.Name)
			}
			seen[a.Name] = true
			return nil
		}
	})

// ArtifactError is an artifact that the worker promised and could not store.
type ArtifactError struct {
	Name, Reason, Message string
}

func (e *ArtifactError) Error() string {
	return fmt.Sprintf("the artifact %s is an error: %s: %s", e.Name, e.Reason, e.Message)
}

// Is makes it a kind of job.ErrNotFound: there is no file.
func (e *ArtifactError) Is(target error) bool { return target == job.ErrNotFound }

// run is the part of an artifact's route that names the run.
func (c *Client) run(taskID string, runID int, parts ...string) string {
	at := []string{"task", taskID}
	if runID != Latest {
		at = append(at, "runs", strconv.Itoa(runID))
	}
	return c.route("queue", append(at, parts...)...)
}

// file is the route of an artifact. Its name keeps its slashes, as the queue's
// own links do.
func (c *Client) file(taskID string, runID int, what, name string) string {
	return c.run(taskID, runID, what) + "/" + strings.ReplaceAll(url.PathEscape(name), "%2F", "/")
}

// ListArtifacts lists the artifacts of a run, or of the Latest one. An error
// ends the sequence; a task without a run gives job.ErrNotFound.
func (c *Client) ListArtifacts(ctx context.Context, taskID string, runID int) iter.Seq2[Artifact, error] {
	const op = "queue.listArtifacts"
	return func(yield func(Artifact, error) bool) {
		ctx, end := c.begin(ctx, op)
		defer end()
		if err := checkTask(taskID); err != nil {
			yield(Artifact{}, job.Wrap(op, taskID, err))
			return
		}
		for a, err := range artifacts.all(ctx, c, op, taskID, c.run(taskID, runID, "artifacts")) {
			if err != nil {
				yield(Artifact{}, timeUp(ctx, op, taskID, err))
				return
			}
			if !yield(*a, nil) {
				return
			}
		}
	}
}

// content says where an artifact's bytes are.
type content struct {
	StorageType string `json:"storageType" is:"required" words:"s3 object reference link error"`
	URL         string `json:"url" is:"" min:"1"`  // but for object and error
	Name        string `json:"name" is:"" min:"1"` // of an object
	Reason      string `json:"reason"`             // of an error
	Message     string `json:"message"`
	Credentials *struct {
		ClientID    string `json:"clientId" is:"required" min:"1"`
		AccessToken string `json:"accessToken" is:"required" min:"1"`
		Certificate string `json:"certificate" is:"required"`
	} `json:"credentials"` // of an object
}

// Prove implements contract.Prover: there is what each way of storing needs.
func (w *content) Prove() error {
	switch w.StorageType {
	case "s3", "reference", "link": // a link is resolved by the queue
		if w.URL == "" {
			return absent("url")
		}
		if _, err := rest.CheckURL(w.URL, ""); err != nil {
			return contract.Outside("url", "%.80q is not a URL", w.URL)
		}
	case "object":
		if w.Name == "" {
			return absent("name")
		}
		if w.Credentials == nil {
			return absent("credentials")
		}
	case "error":
		if w.Reason == "" {
			return absent("reason")
		}
	}
	return nil
}

var contents = contract.New(contract.Endpoint[content]{
	Source: source, Name: "queue.artifactContent",
	URL: `/queue/v1/task/(?P<task>[^/]+)(/runs/(?P<run>[0-9]+))?/artifact-content/(?P<name>.+)$`,
	Same: func(asked contract.Asked, w *content) error {
		if w.StorageType == "object" {
			return sameFile(asked, "name", w.Name)
		}
		if u, err := url.Parse(w.URL); err == nil && w.StorageType == "s3" {
			return sameFile(asked, "url", u.Path)
		}
		return nil
	},
})

// storedName is how the queue names what it stores: <task>/<run>/<name>.
var storedName = regexp.MustCompile(`(?:^|/)([A-Za-z0-9_-]{22})/([0-9]+)/(.+)$`)

// storedAs is where the public artifacts are that taskgraph writes.
const storedAs = `/[A-Za-z0-9_-]{22}/[0-9]+/public/`

// sameFile reports that what is stored under a name is another artifact than was
// asked for. Of a log the name may be another's: live.log is a link to it.
func sameFile(asked contract.Asked, path, name string) error {
	is := storedName.FindStringSubmatch(name)
	if is == nil {
		return nil
	}
	task, run, file := asked.Var("task"), asked.Var("run"), asked.Var("name")
	if run == "" {
		run = is[2]
	}
	if strings.HasPrefix(file, logsFolder) && strings.HasPrefix(is[3], logsFolder) {
		file = is[3]
	}
	if is[1] != task || is[2] != run || is[3] != file {
		return contract.Differs(path, strings.Join(is[1:], "/"), strings.Join([]string{task, run, file}, "/"))
	}
	return nil
}

// ReadArtifact reads an artifact of a run, or of the Latest one, decompressed where it
// is stored so. read gets its bytes as they come, at most 2 GiB, and is called
// again from the beginning where the connection breaks. A missing or expired
// artifact is job.ErrNotFound, and an *ArtifactError where the worker says why.
func (c *Client) ReadArtifact(
	ctx context.Context, taskID string, runID int, name string, read func(io.Reader) error,
) error {
	const op = "queue.artifact"
	key := taskID + " " + name
	_, err := within(ctx, c, op, key, func(ctx context.Context) (struct{}, error) {
		r, err := c.artifact(ctx, op, taskID, runID, name)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, wrap(op, key, c.rest.Stream(ctx, r, func(body io.Reader) error {
			plain, err := unpacked(body)
			if err != nil {
				return err
			}
			return read(plain)
		}))
	})
	return err
}

// OpenArtifact opens an artifact as ReadArtifact does; the caller closes it. A connection that
// breaks is an error of reading. Client's deadline is for opening it alone.
func (c *Client) OpenArtifact(ctx context.Context, taskID string, runID int, name string) (io.ReadCloser, error) {
	const op = "queue.artifact"
	key := taskID + " " + name
	return opening(ctx, c, op, key, func(ctx context.Context) (io.ReadCloser, error) {
		r, err := c.artifact(ctx, op, taskID, runID, name)
		if err != nil {
			return nil, err
		}
		body, err := c.rest.Open(ctx, r)
		return body, wrap(op, key, err)
	})
}

// artifact is the request for an artifact's bytes, without a signature: where
// they are stored, the queue's means nothing or is refused.
func (c *Client) artifact(ctx context.Context, op, taskID string, runID int, name string) (rest.Call, error) {
	key := taskID + " " + name
	if err := checkTask(taskID); err != nil {
		return rest.Call{}, job.Wrap(op, key, err)
	}
	at, err := get(ctx, c, op, key, c.file(taskID, runID, "artifact-content", name), contents)
	if lacks(err) { // a deployment older than 2021: a redirect, which takes the signature away
		return bytesOf(c.request("", c.file(taskID, runID, "artifacts", name))), nil
	}
	if err != nil {
		return rest.Call{}, err
	}
	switch at.StorageType {
	case "s3", "reference", "link":
	case "object":
		if at.URL, err = c.download(ctx, at); err != nil {
			return rest.Call{}, job.Wrap(op, key, err)
		}
	case "error":
		return rest.Call{}, job.Wrap(op, key, &ArtifactError{name, at.Reason, at.Message})
	default:
		return rest.Call{}, job.Wrap(op, key, unknownWord("storageType", at.StorageType))
	}
	return bytesOf(rest.Call{URL: at.URL}), nil
}

func bytesOf(r rest.Call) rest.Call {
	r.Header = http.Header{}
	r.Timeout, r.MaxBody = streamTime, streamBytes
	return r
}

// downloadWire says how an object is fetched.
type downloadWire struct {
	Method string `json:"method" is:"required" words:"simple getUrl"`
	URL    string `json:"url" is:"required" min:"1"`

	_ contract.Also `names:"expires hashes"`
}

var downloads = contract.New(contract.Endpoint[downloadWire]{
	Source: source, Name: "object.startDownload", Method: http.MethodPut,
	URL: `/object/v1/start-download/(?P<name>.+)$`,
})

// download asks the object service where an object is, with the credentials
// that the queue gave for it.
func (c *Client) download(ctx context.Context, at *content) (string, error) {
	const op = "object.startDownload"
	own := *c
	own.creds = &Credentials{
		ClientID: at.Credentials.ClientID, AccessToken: at.Credentials.AccessToken,
		Certificate: at.Credentials.Certificate,
	}
	in := map[string]any{"acceptDownloadMethods": map[string]bool{"simple": true, "getUrl": true}}
	url := c.route("object", "start-download", at.Name)
	out, err := send(ctx, &own, op, at.Name, http.MethodPut, url, in, true, downloads)
	if err != nil {
		return "", err
	}
	if out.Method != "simple" && out.Method != "getUrl" {
		return "", job.Wrap(op, at.Name, unknownWord("download method", out.Method))
	}
	return out.URL, nil
}

// unpacked unpacks what begins as gzip does: a log may be stored compressed
// although its type does not say so.
func unpacked(r io.Reader) (io.Reader, error) {
	plain, err := gunzip.Reader(r)
	if err != nil {
		return nil, torn{err}
	}
	return &capped{r: plain, left: streamBytes}, nil
}

// torn is what is stored and cannot be unpacked.
type torn struct{ error }

func (t torn) Error() string {
	return source + ": what is stored cannot be unpacked: " + t.error.Error()
}
func (torn) Malformed() bool { return true }
func (t torn) Unwrap() error { return t.error }

// capped ends with an error where more comes than is allowed.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, rest.ErrTooLarge
	}
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) ||
		errors.As(err, new(flate.CorruptInputError)) {
		err = torn{err}
	}
	return n, err
}

// text reads an artifact of up to most bytes, decompressed.
func (c *Client) text(ctx context.Context, taskID string, runID int, name string, most int64) (string, error) {
	var out []byte
	err := c.ReadArtifact(ctx, taskID, runID, name, func(r io.Reader) (err error) {
		out, err = io.ReadAll(&capped{r: r, left: most})
		return err
	})
	return string(out), err
}

// file reads a JSON artifact of up to most bytes, decompressed, and proves it.
func file[T any](
	ctx context.Context, c *Client, taskID string, runID int, name string, most int64, e *contract.Endpoint[T],
) (out *T, err error) {
	err = c.ReadArtifact(ctx, taskID, runID, name, func(r io.Reader) (err error) {
		out, err = e.Read(contract.Asked{}, &capped{r: r, left: most})
		return err
	})
	if errors.Is(err, rest.ErrTooLarge) {
		err = tooLarge(taskID, name, most)
	}
	return out, err
}

func tooLarge(taskID, name string, most int64) error {
	return job.Wrap("queue.artifact", taskID+" "+name, fmt.Errorf("%w: larger than %d bytes", job.ErrMalformed, most))
}
