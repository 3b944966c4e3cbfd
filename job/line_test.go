package job_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/job"
)

func TestLineByName(t *testing.T) {
	for name, line := range map[string]bool{
		"autoland": true, "mozilla-central": true, "integration/autoland": true, "country": true, "entry-point": true,
		"pretty-pr1nt": true, "": true, "users/try/mine": true,
		"try": false, "Try": false, "try-comm-central": false, "nss-try": false, "projects/nss-try": false,
		"gaia-try": false, "enterprise-firefox-pr": false,
		"firefox-prs": false, "thing.pulls": false,
	} {
		err := job.LineByName(name)
		if line != (err == nil) || !line && (!errors.Is(err, job.ErrNoLine) || !strings.Contains(err.Error(), name)) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// knowing is a repository that says itself what it is.
type knowing struct {
	job.Repository
	err error
}

func (k knowing) Line(context.Context) error { return k.err }

// mute is a repository that cannot tell.
type mute struct{ job.Repository }

func TestLine(t *testing.T) {
	try, autoland := job.NewList("try", nil), job.NewList("autoland", nil)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		repo job.Repository
		want error
	}{
		"by name":              {t.Context(), mute{try}, job.ErrNoLine},
		"by name, a line":      {t.Context(), mute{autoland}, nil},
		"a list":               {t.Context(), try, job.ErrNoLine},
		"it knows better":      {t.Context(), knowing{try, nil}, nil},
		"it knows worse":       {t.Context(), knowing{autoland, job.ErrNoLine}, job.ErrNoLine},
		"it cannot find out":   {t.Context(), knowing{autoland, job.ErrUnavailable}, job.ErrUnavailable},
		"a list, and no time":  {cancelled, autoland, context.Canceled},
		"no line, and no time": {cancelled, mute{try}, job.ErrNoLine},
	} {
		if err := job.Line(c.ctx, c.repo); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, expected %v", name, err, c.want)
		}
	}
}

// Ids are names, and the order of pushes is Compare's: a range of ids holds what
// has them, and every other range goes by the order.
func TestOrder(t *testing.T) {
	var pushes []job.Push
	for _, p := range []struct{ id, order int64 }{{903, 20}, {904, 40}, {901, 10}, {902, 30}, {906, 40}} {
		pushes = append(pushes, job.Push{
			Repo: "r", ID: p.id, Order: p.order, Revision: rev(p.id),
			Time: time.Unix(p.order, 0).UTC(),
		})
	}
	l := job.NewList("r", pushes)
	for name, c := range map[string]struct {
		r    job.Range
		want []int64
	}{
		"all":      {job.IDs(1, 1000), []int64{901, 903, 902, 904, 906}},
		"two ids":  {job.IDs(902, 903), []int64{903, 902}},
		"two revs": {job.Between(rev(903), rev(902)), []int64{903, 902}},
		"around":   {job.Around(rev(902), 1, 1), []int64{903, 902, 904}},
		"the tip":  {job.Around("tip", 1, 0), []int64{904, 906}},
	} {
		got, err := l.Pushes(t.Context(), c.r)
		var ids []int64
		for _, p := range got {
			ids = append(ids, p.ID)
		}
		if d := cmp.Diff(c.want, ids); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
	}
	if _, err := l.Pushes(t.Context(), job.Between(rev(902), rev(903))); !errors.Is(err, job.ErrInvalid) ||
		!strings.HasSuffix(err.Error(), "): swap them") || !strings.Contains(err.Error(), " is newer than ") {
		t.Errorf("from a newer push to an older one: %v", err)
	}
	if a, b := pushes[0], pushes[1]; a.Compare(b) >= 0 || b.Compare(a) <= 0 || a.Compare(a) != 0 {
		t.Error("Compare is no order")
	}
}

func rev(id int64) string {
	const digits = "0123456789"
	return strings.Repeat("a", 36) + string([]byte{'0', digits[id/100%10], digits[id/10%10], digits[id%10]})
}

func TestHashes(t *testing.T) {
	hg, git := strings.Repeat("1", 40), strings.Repeat("2", 40)
	for name, c := range map[string]struct {
		push         job.Push
		hashes       []string
		system, twin string
	}{
		"hg alone":      {job.Push{Revision: hg}, []string{hg}, "", ""},
		"hg, and git":   {job.Push{Revision: hg, Git: git}, []string{hg, git}, "git", git},
		"git, and hg":   {job.Push{Revision: git, Git: git, Hg: hg}, []string{git, hg}, "hg", hg},
		"no revision":   {job.Push{Git: git}, nil, "git", git},
		"twice the one": {job.Push{Revision: hg, Hg: hg}, []string{hg}, "", ""},
	} {
		system, twin := c.push.Twin()
		if got := c.push.Hashes(); !slices.Equal(got, c.hashes) || system != c.system || twin != c.twin {
			t.Errorf("%s: %q, %s %s", name, got, system, twin)
		}
	}
	p := job.Push{Revision: hg, Git: git, Changesets: []job.Changeset{
		{Node: strings.Repeat("3", 40), Git: strings.Repeat("4", 40)},
	}}
	for _, rev := range []string{hg, git, hg[:12], git[:12], strings.Repeat("3", 12), strings.Repeat("4", 13)} {
		if !p.Contains(rev) {
			t.Errorf("it does not contain %s", rev)
		}
	}
	if p.Contains(strings.Repeat("5", 40)) || (job.Push{}).Contains("") {
		t.Error("it contains what it does not have")
	}
}
