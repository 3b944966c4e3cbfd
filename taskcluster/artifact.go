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

// Latest can be passed as a run number and means a task's latest run. After a rerun that is the
// new run, which may have no artifacts yet.
const Latest = -1

// Artifact is a file that a run left behind, as [Client.ListArtifacts] lists it.
type Artifact struct {
	Name        string    `json:"name" is:"required" min:"1"`
	StorageType string    `json:"storageType" is:"required" words:"s3 object reference link error"`
	ContentType string    `json:"contentType" is:"required"`
	Expires     time.Time `json:"expires" is:"required"`

	_ contract.Also `names:"contentLength"` // deployments send it since 2022
}

type artifactPage struct {
	Artifacts []Artifact `json:"artifacts" is:"required"`
	paged
}

// artifacts lists a run's artifacts. Each name must come once.
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

// ArtifactError is an artifact that the worker should have stored and could not. Reason is
// the worker's word, such as file-missing-on-worker; Message is a sentence for people.
type ArtifactError struct {
	Name, Reason, Message string
}

// Error names the artifact, and has the worker's word and its sentence.
func (e *ArtifactError) Error() string {
	return fmt.Sprintf("the artifact %s is an error: %s: %s", e.Name, e.Reason, e.Message)
}

// Is makes it a kind of job.ErrNotFound, since there is no file to read.
func (e *ArtifactError) Is(target error) bool { return target == job.ErrNotFound }

// run is the part of an artifact's route that names the run: task/<id>/runs/<n>, or
// task/<id> alone for the Latest run. For example run("fN1S…", 0, "artifacts") is
// ROOT/api/queue/v1/task/fN1S…/runs/0/artifacts.
func (c *Client) run(taskID string, runID int, parts ...string) string {
	at := []string{"task", taskID}
	if runID != Latest {
		at = append(at, "runs", strconv.Itoa(runID))
	}
	return c.route("queue", append(at, parts...)...)
}

// file is the route of an artifact. Slashes in the name stay as they are, as in the queue's
// own links; everything else is escaped. With the name "public/a b.log" the route ends with
// artifact-content/public/a%20b.log.
func (c *Client) file(taskID string, runID int, what, name string) string {
	return c.run(taskID, runID, what) + "/" + strings.ReplaceAll(url.PathEscape(name), "%2F", "/")
}

// ListArtifacts lists the artifacts of a run, or of the Latest one, page by page. An error
// ends the sequence. A task that has no run gives job.ErrNotFound.
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

// content says where an artifact's bytes are. Which members it has depends on the storage
// type; see Prove.
//
//	{"storageType": "s3", "url": "https://…/fN1SbArXTPSVFNUvaOlinQ/0/public/actions.json"}
//	{"storageType": "error", "reason": "file-missing-on-worker", "message": "…"}
type content struct {
	StorageType string `json:"storageType" is:"required" words:"s3 object reference link error"`
	URL         string `json:"url" is:"" min:"1"`  // for s3, reference and link
	Name        string `json:"name" is:"" min:"1"` // for object
	Reason      string `json:"reason"`             // for error
	Message     string `json:"message"`            // for error
	Credentials *struct {
		ClientID    string `json:"clientId" is:"required" min:"1"`
		AccessToken string `json:"accessToken" is:"required" min:"1"`
		Certificate string `json:"certificate" is:"required"`
	} `json:"credentials"` // for object: temporary ones, good for this object alone
}

// Prove implements contract.Prover: the members that this storage type needs are there.
func (w *content) Prove() error {
	switch w.StorageType {
	case "s3", "reference", "link": // the queue has followed the link: the URL is the target's
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

// storedName is how the queue names what it stores: <task>/<run>/<name>, such as
// "fN1SbArXTPSVFNUvaOlinQ/0/public/actions.json". A URL has a host and a bucket before it. A
// task id is 22 characters of URL-safe base64.
var storedName = regexp.MustCompile(`(?:^|/)([A-Za-z0-9_-]{22})/([0-9]+)/(.+)$`)

// storedAs begins the URL patterns of the public artifacts that taskgraph writes.
const storedAs = `/[A-Za-z0-9_-]{22}/[0-9]+/public/`

// sameFile returns an error when the stored name is not that of the requested artifact. A
// name of another form proves nothing and is accepted. So is another file name among the
// logs, since live.log is a link to the log proper. Without a run number in the request, any
// run of the task will do.
//
//	requested run 0, public/a.json       stored as …/0/public/a.json                  the same
//	requested run 0, public/a.json       stored as …/1/public/a.json                  another run
//	requested no run                     stored as …/1/public/a.json                  the same
//	requested public/logs/live.log       stored as …/0/public/logs/live_backing.log   the same
//	requested public/a.json              stored as "abc"                              proves nothing
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

// ReadArtifact reads an artifact of a run, or of the Latest one, and decompresses it when it
// is stored compressed. It passes the bytes to read as they arrive, 2 GiB at most. When the
// connection breaks, it calls read again with the whole artifact, so read must first drop
// what it has. A missing or expired artifact is job.ErrNotFound; when the worker said why, it
// is an *ArtifactError too.
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

// OpenArtifact opens an artifact, for callers that read at their own pace; the caller closes
// it. Unlike ReadArtifact it does not start again: when the connection breaks, Read returns
// an error. Options.Deadline bounds the opening only, not the reading.
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

// artifact finds out where an artifact's bytes are and returns the request for them. That
// request is not signed: the storage service ignores or refuses Taskcluster's signature.
func (c *Client) artifact(ctx context.Context, op, taskID string, runID int, name string) (rest.Call, error) {
	key := taskID + " " + name
	if err := checkTask(taskID); err != nil {
		return rest.Call{}, job.Wrap(op, key, err)
	}
	at, err := get(ctx, c, op, key, c.file(taskID, runID, "artifact-content", name), contents)
	if lacks(err) { // a deployment from before 2021, which redirects to the bytes instead
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

// downloadWire says how to fetch an object.
type downloadWire struct {
	Method string `json:"method" is:"required" words:"simple getUrl"`
	URL    string `json:"url" is:"required" min:"1"`

	_ contract.Also `names:"expires hashes"`
}

var downloads = contract.New(contract.Endpoint[downloadWire]{
	Source: source, Name: "object.startDownload", Method: http.MethodPut,
	URL: `/object/v1/start-download/(?P<name>.+)$`,
})

// download asks the object service for the URL of an object. It signs with the credentials
// that the queue gave for this object; the caller's own would not be accepted.
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

// unpacked decompresses a stream that begins with gzip's magic bytes, and passes any other
// on as it is. The content type is no help: logs are stored compressed without saying so.
func unpacked(r io.Reader) (io.Reader, error) {
	plain, err := gunzip.Reader(r)
	if err != nil {
		return nil, corrupt{err}
	}
	return &capped{r: plain, left: streamBytes}, nil
}

// corrupt is a stored file that cannot be decompressed. Reading it again would not help,
// which Malformed tells job.OfHTTP.
type corrupt struct{ error }

func (t corrupt) Error() string {
	return source + ": the stored file cannot be decompressed: " + t.error.Error()
}
func (corrupt) Malformed() bool { return true }
func (t corrupt) Unwrap() error { return t.error }

// capped passes on up to left bytes, and fails with rest.ErrTooLarge when more come. The cap
// counts bytes after decompression, so that a small file cannot unpack without end.
type capped struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader. left is negative only after more than the limit was read, so a file
// of exactly that size passes.
func (c *capped) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, rest.ErrTooLarge
	}
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) ||
		errors.As(err, new(flate.CorruptInputError)) {
		err = corrupt{err}
	}
	return n, err
}

// text reads an artifact; most is its largest size in bytes, counted after decompression.
func (c *Client) text(ctx context.Context, taskID string, runID int, name string, most int64) (string, error) {
	var out []byte
	err := c.ReadArtifact(ctx, taskID, runID, name, func(r io.Reader) (err error) {
		out, err = io.ReadAll(&capped{r: r, left: most})
		return err
	})
	return string(out), err
}

// file reads a JSON artifact and checks it against its contract. most is its largest size in
// bytes, counted after decompression; a larger one is job.ErrMalformed.
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
