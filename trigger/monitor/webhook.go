package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/job"
)

// Notice is the body of a webhook's request, in JSON.
type Notice struct {
	Key      string       `json:"key"` // the same for the same end, which may be sent twice
	Label    string       `json:"label"`
	Repo     string       `json:"repo"`
	PushID   int64        `json:"push_id"`
	Revision string       `json:"revision"`
	Outcome  Outcome      `json:"outcome"`
	Failures int          `json:"failures"`
	Runs     int          `json:"runs"`
	Push     *job.PushRef `json:"push"` // the push that made it moot; else null
	Why      string       `json:"why"`
	Ended    time.Time    `json:"ended"`
}

// NoticeOf returns the notice of how an expectation ended.
func NoticeOf(e Expectation) Notice {
	p := e.Progress
	out := Notice{
		Key: e.Key, Label: e.Label, Repo: e.Push.Repo, PushID: e.Push.ID, Revision: e.Push.Revision, Outcome: p.Outcome,
		Failures: p.Results.Failures, Runs: p.Results.Runs, Why: p.Note, Ended: p.Ended,
	}
	if p.Moot != nil {
		ref := p.Moot.Ref()
		out.Push = &ref
	}
	return out
}

// webhookTime is the maximum duration of one request of a webhook.
const webhookTime = 30 * time.Second

// Webhook returns a Notifier that posts a Notice to a URL. The path or query of such a
// URL is often a secret, so no error shows it. A nil client means one of the package's
// own. Any status but 2xx is an error, and redirects are not followed.
func Webhook(where string, client *http.Client) (Notifier, error) {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, job.Wrap("monitor.webhook", "", fmt.Errorf("%w: expected a URL that begins with https://",
			job.ErrInvalid))
	}
	own := http.Client{}
	if client != nil {
		own = *client
	}
	// A redirect would send the notice to a place that the user did not choose.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return NotifyFunc(func(ctx context.Context, e Expectation) error {
		return job.Wrap("monitor.webhook", u.Host, post(ctx, &own, where, NoticeOf(e)))
	}), nil
}

// post sends one notice.
func post(ctx context.Context, client *http.Client, where string, n Notice) error {
	ctx, stop := context.WithTimeout(ctx, webhookTime)
	defer stop()
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where, bytes.NewReader(body))
	if err != nil {
		return redact.Error(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) { // its text contains the URL
			err = failed.Err
		}
		return fmt.Errorf("%w: %w", job.ErrUnavailable, err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be reused
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%w: HTTP %d", job.ErrUnavailable, res.StatusCode)
	}
	return nil
}
