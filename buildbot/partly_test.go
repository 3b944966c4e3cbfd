package buildbot_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mozci/mozci/buildbot"
	"github.com/mozci/mozci/internal/testing/bbtest"
	"github.com/mozci/mozci/job"
)

// failing answers the nth write, and all after it, with a status.
func failing(nth, status int) func(http.ResponseWriter, *http.Request) bool {
	n := 0
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		if n++; n < nth {
			return false
		}
		w.WriteHeader(status)
		return true
	}
}

// A master that takes some of the runs and then no more: without a key the error says
// what was made; with one, asking again under it makes the rest.
func TestTakenInPart(t *testing.T) {
	for _, c := range []struct {
		what, label, key string
		nth, status      int
		taken            int // 0: the plain error
		is               error
	}{
		{"a rebuild is refused", "built", "k", 3, http.StatusBadRequest, 2, job.ErrRefused},
		{"the answer to a rebuild is lost", "built", "k", 2, http.StatusBadGateway, 1, job.ErrUnavailable},
		{"no rebuild is made", "built", "k", 1, http.StatusBadRequest, 0, job.ErrRefused},
		{"a force without a key", "forced", "", 2, http.StatusBadRequest, 1, job.ErrRefused},
		{"a force with a key", "forced", "k", 2, http.StatusBadRequest, 0, job.ErrRefused},
		{"a force whose key does not fit", "forced", "k", 3, http.StatusBadRequest, 2, job.ErrRefused},
		{"a force without a key, at once", "forced", "", 1, http.StatusBadRequest, 0, job.ErrRefused},
	} {
		d := bbtest.NewDouble(t)
		b := d.Builder("built")
		d.Builder("forced")
		d.Change(bbtest.Revision(1), nil)
		d.Ask(bbtest.BuildRequest{
			Builder: b, Results: []int{2}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)},
		})
		d.Form("force", []string{"forced"}, bbtest.Sources("", nil))
		if strings.Contains(c.what, "does not fit") {
			d.ReasonSize(10)
		}
		p := project(t, d, "main", nil)
		req := job.Request{Key: c.key, Label: c.label, Push: at(t, p, "tip"), Count: 3}
		d.Front = failing(c.nth, c.status)
		_, err := p.Trigger(t.Context(), req)
		var part *job.PartialError
		var outer *job.Error
		some := errors.As(err, &part)
		if !errors.Is(err, c.is) || !errors.As(err, &outer) || some != (c.taken > 0) {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if some && (part.Taken != c.taken || part.Count != 3 || len(part.Receipt.IDs) != c.taken ||
			part.Receipt.State != job.ReceiptCreated || outer.Op != "buildbot.trigger") {
			t.Errorf("%s: %+v in %+v", c.what, part, outer)
		}
		d.Front = nil
		if c.key == "" || c.taken > 0 || c.label == "built" {
			continue
		}
		r, err := p.Trigger(t.Context(), req)
		if err != nil || r.State != job.ReceiptCreated || len(r.IDs) != 3 {
			t.Errorf("%s, again: %+v %v", c.what, r, err)
		}
		if got := ran(t, p, req.Push, c.label); strings.Count(got, "pending") != 3 {
			t.Errorf("%s, again: %s", c.what, got)
		}
	}
}

// posting keeps what was posted last.
type posting struct {
	d    *bbtest.Double
	body []byte
}

func (p *posting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		p.body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(p.body))
	}
	return p.d.RoundTrip(r)
}

// The form is filled with the properties of the newest build that has some: one that
// has just begun has none yet.
func TestEarlierProperties(t *testing.T) {
	with := func(url string) bbtest.Row {
		return bbtest.Row{"properties": bbtest.Row{"packageUrl": []any{url, "Build"}}}
	}
	type build struct {
		results int
		url     string
	}
	for _, c := range []struct {
		what   string
		builds []build // oldest first
		want   string  // empty: the form lacks it
	}{
		{"the newest", []build{{0, "one"}, {2, "two"}}, "two"},
		{"one that runs and has them", []build{{0, "one"}, {bbtest.Running, "two"}}, "two"},
		{"one that has just begun", []build{{0, "one"}, {0, "two"}, {bbtest.Running, ""}}, "two"},
		{"two that have just begun", []build{{0, "one"}, {bbtest.Running, ""}, {bbtest.Running, ""}}, "one"},
		{"one that ended without", []build{{0, "one"}, {0, ""}}, ""},
		{"none that has any", []build{{bbtest.Running, ""}}, ""},
	} {
		d := bbtest.Offline()
		b := d.Builder("test")
		d.Change(bbtest.Revision(1), nil)
		for _, one := range c.builds {
			r := bbtest.BuildRequest{
				Builder: b, Results: []int{one.results}, Stamps: []bbtest.Row{bbtest.Stamp(bbtest.Revision(1), nil)},
			}
			if one.url != "" {
				r.Build = with(one.url)
			}
			d.Ask(r)
		}
		d.Form("force", []string{"test"}, bbtest.Sources("", nil), bbtest.Field("packageUrl", bbtest.Row{
			"required": true,
		}))
		wire := &posting{d: d}
		client, err := buildbot.New("http://master.example", &buildbot.Options{
			User: "sheriff", Password: "secret", HTTP: &http.Client{Transport: wire},
		})
		if err != nil {
			t.Fatal(err)
		}
		p := client.Project("main", nil)
		_, err = p.Trigger(t.Context(), job.Request{Key: "k", Label: "test", Push: at(t, p, "tip"), Count: 1})
		var call struct {
			Params map[string]any `json:"params"`
		}
		if err == nil {
			err = json.Unmarshal(wire.body, &call)
		}
		if c.want == "" && !errors.Is(err, job.ErrInvalid) || c.want != "" && (err != nil ||
			call.Params["packageUrl"] != c.want) {
			t.Errorf("%s: %v %v, expected %q", c.what, call.Params, err, c.want)
		}
	}
}
