package rest_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/mozci/mozci/internal/rest"
)

// pw begins each secret of these tests.
const pw = "s3cr3t"

// Whatever the server answers, and wherever it leads, no error and no line of a log
// repeats a secret of the request or of the answer.
func TestReflectedSecrets(t *testing.T) {
	var log strings.Builder
	answers := map[string]*http.Response{
		"/location":   {StatusCode: 302, Header: http.Header{"Location": {"https://h/%zz?sig=" + pw + " x"}}},
		"/port":       {StatusCode: 302, Header: http.Header{"Location": {"https://u:" + pw + "/x@h/"}}},
		"/scheme":     {StatusCode: 302, Header: http.Header{"Location": {"ftp://u:" + pw + "@h/?sig=" + pw}}},
		"/away":       {StatusCode: 302, Header: http.Header{"Location": {"https://gone.example/?sig=" + pw}}},
		"/storage":    {StatusCode: 302, Header: http.Header{"Location": {"/html?sig=" + pw}}},
		"/hawk":       {StatusCode: 401, Header: http.Header{}},
		"/html":       {StatusCode: 200, Header: http.Header{"Content-Type": {"text/html"}}},
		"/busy":       {StatusCode: 503, Header: http.Header{}},
		"/signature":  {StatusCode: 403, Header: http.Header{"Content-Type": {"application/xml"}}},
		"/loop":       {StatusCode: 302, Header: http.Header{"Location": {"/loop?token=" + pw}}},
		"/set-cookie": {StatusCode: 400, Header: http.Header{"Set-Cookie": {"id=" + pw}}},
	}
	body := `bad mac for Hawk id="me", mac="` + pw + `" of https://u:` + pw + `@h/?bewit=` + pw +
		` <StringToSign>` + pw + `</StringToSign>`
	c := client(func(r *http.Request) (*http.Response, error) {
		a, known := answers[r.URL.Path]
		if !known || r.URL.Host == "gone.example" {
			return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: http.ErrServerClosed}
		}
		out := answer(r, a.StatusCode, body)
		for k, v := range a.Header {
			out.Header[k] = v
		}
		return out, nil
	}, rest.Options{Retries: 1, Backoff: 1, Logger: slog.New(slog.NewJSONHandler(&log,
		&slog.HandlerOptions{Level: slog.LevelDebug}))})
	for path := range answers {
		_, err := c.Do(t.Context(), rest.Call{URL: "https://u:" + pw + "@example.com" + path + "?sig=" + pw})
		if err == nil && path != "/html" && path != "/storage" || err != nil && strings.Contains(err.Error(), pw) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if strings.Contains(log.String(), pw) || !strings.Contains(log.String(), "trying again") {
		t.Errorf("logged %s", log.String())
	}
}
