package taskcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
)

// Latest is the number that means a task's latest run. After a rerun that is
// the new one, which may have no artifacts yet.
const Latest = -1

// Artifact is a file that a run left behind.
type Artifact struct {
	Name        string    `json:"name"`
	StorageType string    `json:"storageType"` // s3, object, reference, link, error
	ContentType string    `json:"contentType"`
	Expires     time.Time `json:"expires"`
}

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
		if err := checkTask(taskID); err != nil {
			yield(Artifact{}, job.Wrap(op, taskID, err))
			return
		}
		for a, err := range listing[Artifact](ctx, c, op, taskID, c.run(taskID, runID, "artifacts"), "artifacts") {
			if err != nil {
				yield(Artifact{}, err)
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
	StorageType string `json:"storageType"`
	URL         string `json:"url"`
	Name        string `json:"name"`
	Reason      string `json:"reason"`
	Message     string `json:"message"`
	Credentials *struct {
		ClientID    string `json:"clientId"`
		AccessToken string `json:"accessToken"`
		Certificate string `json:"certificate"`
	} `json:"credentials"`
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
	r, err := c.artifact(ctx, op, taskID, runID, name)
	if err != nil {
		return err
	}
	return wrap(op, key, malformed(c.rest.Stream(ctx, r, func(body io.Reader) error {
		plain, err := unpacked(body)
		if err != nil {
			return err
		}
		return read(plain)
	})))
}

// OpenArtifact opens an artifact as ReadArtifact does; the caller closes it. A connection that
// breaks is an error of reading.
func (c *Client) OpenArtifact(ctx context.Context, taskID string, runID int, name string) (io.ReadCloser, error) {
	const op = "queue.artifact"
	r, err := c.artifact(ctx, op, taskID, runID, name)
	if err != nil {
		return nil, err
	}
	body, err := c.rest.Open(ctx, r)
	return body, wrap(op, taskID+" "+name, err)
}

// artifact is the request for an artifact's bytes, without a signature: where
// they are stored, the queue's means nothing or is refused.
func (c *Client) artifact(ctx context.Context, op, taskID string, runID int, name string) (rest.Call, error) {
	key := taskID + " " + name
	if err := checkTask(taskID); err != nil {
		return rest.Call{}, job.Wrap(op, key, err)
	}
	var at content
	err := c.get(ctx, op, key, c.file(taskID, runID, "artifact-content", name), &at)
	if lacks(err) { // a deployment older than 2021: a redirect, which takes the signature away
		r, err := c.request(http.MethodGet, c.file(taskID, runID, "artifacts", name), nil)
		return stored(r), job.Wrap(op, key, err)
	}
	if err != nil {
		return rest.Call{}, err
	}
	switch at.StorageType {
	case "s3", "reference", "link": // a link is resolved by the queue
	case "object":
		if at.URL, err = c.download(ctx, at); err != nil {
			return rest.Call{}, job.Wrap(op, key, err)
		}
	case "error":
		return rest.Call{}, job.Wrap(op, key, &ArtifactError{name, at.Reason, at.Message})
	default:
		return rest.Call{}, job.Wrap(op, key, job.UnknownWord("taskcluster", "storageType", at.StorageType))
	}
	if at.URL == "" {
		return rest.Call{}, job.Wrap(op, key, fmt.Errorf("%w: no URL of it in the answer", job.ErrMalformed))
	}
	return stored(rest.Call{URL: at.URL}), nil
}

func stored(r rest.Call) rest.Call {
	r.Header = http.Header{}
	r.Timeout, r.MaxBody = streamTime, streamBytes
	return r
}

// download asks the object service where an object is, with the credentials
// that the queue gave for it.
func (c *Client) download(ctx context.Context, at content) (string, error) {
	const op = "object.startDownload"
	own := *c
	if at.Credentials != nil {
		own.creds = &Credentials{
			ClientID: at.Credentials.ClientID, AccessToken: at.Credentials.AccessToken,
			Certificate: at.Credentials.Certificate,
		}
	}
	in := map[string]any{"acceptDownloadMethods": map[string]bool{"simple": true, "getUrl": true}}
	var out struct{ Method, URL string }
	url := c.route("object", "start-download", at.Name)
	if err := own.call(ctx, op, at.Name, http.MethodPut, url, in, &out, true); err != nil {
		return "", err
	}
	if out.Method != "simple" && out.Method != "getUrl" {
		return "", job.Wrap(op, at.Name, job.UnknownWord("taskcluster", "download method", out.Method))
	}
	return out.URL, nil
}

// unpacked unpacks what begins as gzip does: a log may be stored compressed
// although its type does not say so.
func unpacked(r io.Reader) (io.Reader, error) {
	plain, err := gunzip.Reader(r)
	if err != nil {
		return nil, notJSON{err}
	}
	return &capped{r: plain, left: streamBytes}, nil
}

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

// json reads a JSON artifact of up to most bytes, decompressed.
func (c *Client) json(ctx context.Context, taskID string, runID int, name string, most int64, into any) error {
	err := c.ReadArtifact(ctx, taskID, runID, name, func(r io.Reader) error {
		body, err := io.ReadAll(&capped{r: r, left: most})
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, into); err != nil {
			got := strings.ToValidUTF8(clip.Marked(rest.RedactText(clip.Text(string(body), 8*shown)), shown), "\uFFFD")
			return notJSON{fmt.Errorf("expected JSON, got %q: %w", got, err)}
		}
		return nil
	})
	if errors.Is(err, rest.ErrTooLarge) {
		err = fmt.Errorf("%w: larger than %d bytes", job.ErrMalformed, most)
		err = job.Wrap("queue.artifact", taskID+" "+name, err)
	}
	return err
}
