package selfserve

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mozci/mozci/internal/lax"
	"github.com/mozci/mozci/job"
)

// AllTheThings is allthethings.json: every builder, and the schedulers that say
// what triggers what. It is not changed once it is read.
type AllTheThings struct {
	builders map[string]thing
	upstream map[string][]string // the builds that trigger a builder
	pushes   map[string]int      // SETA's skip, by builder
}

// thing is a builder.
type thing struct {
	ShortName  string `json:"shortname"`
	Properties struct {
		Branch   lax.Word `json:"branch"`
		RepoPath lax.Word `json:"repo_path"`
		Product  lax.Word `json:"product"`
		Platform lax.Word `json:"platform"`
	} `json:"properties"`
}

// skips is the end of the name of a scheduler that SETA made: so many pushes
// are passed over, or so many seconds.
var skips = regexp.MustCompile(`-(\d+)-(\d+)$`)

// ReadAllTheThings reads allthethings.json. A scheduler's downstream are the
// builders that it triggers; what triggers it is named by a build's short name,
// with what it triggers after that: try-platform-opt-unittest. What is no
// allthethings.json gives [job.ErrMalformed].
func ReadAllTheThings(in io.Reader) (*AllTheThings, error) {
	var w struct {
		Builders   map[string]thing `json:"builders"`
		Schedulers map[string]struct {
			Downstream  []string `json:"downstream"`
			TriggeredBy []string `json:"triggered_by"`
		} `json:"schedulers"`
	}
	if err := json.NewDecoder(in).Decode(&w); err != nil {
		return nil, job.Wrap("selfserve.allthethings", "", fmt.Errorf("%w: %w", job.ErrMalformed, err))
	}
	if len(w.Builders) == 0 || len(w.Schedulers) == 0 {
		return nil, job.Wrap("selfserve.allthethings", "",
			fmt.Errorf("%w: expected builders and schedulers, found %d and %d",
				job.ErrMalformed, len(w.Builders), len(w.Schedulers)))
	}
	short := map[string][]string{}
	for name, b := range w.Builders {
		if !tests(name) {
			short[b.ShortName] = append(short[b.ShortName], name)
		}
	}
	out := &AllTheThings{builders: w.Builders, upstream: map[string][]string{}, pushes: map[string]int{}}
	for name, s := range w.Schedulers {
		var by []string
		for _, t := range s.TriggeredBy {
			by = append(by, triggering(t, w.Builders, short)...)
		}
		slices.Sort(by)
		for _, b := range s.Downstream {
			for _, u := range by {
				if u != b && !slices.Contains(out.upstream[b], u) {
					out.upstream[b] = append(out.upstream[b], u)
				}
			}
			if m := skips.FindStringSubmatch(name); m != nil {
				if n, err := strconv.Atoi(m[1]); err == nil {
					out.pushes[b] = max(out.pushes[b], n)
				}
			}
		}
	}
	return out, nil
}

// tests reports whether a builder's name is that of a test.
func tests(name string) bool {
	kind := kindOf(name)
	return kind == job.KindTest || kind == job.KindPerf
}

// triggering are the builds that a word of triggered_by means. Where a build has
// no PGO twin, it is one itself.
func triggering(word string, builders map[string]thing, short map[string][]string) []string {
	if _, ok := builders[word]; ok {
		return []string{word}
	}
	for _, suffix := range []string{"", "-opt-unittest", "-unittest", "-talos", "-pgo"} {
		word = strings.TrimSuffix(word, suffix)
		if all := short[word]; len(all) > 0 {
			return all
		}
	}
	return nil
}

// Upstream returns the builds that trigger a builder; none for a build.
func (a *AllTheThings) Upstream(builder string) []string {
	return slices.Clone(a.upstream[builder])
}

// Builders returns the builders of a branch, sorted.
func (a *AllTheThings) Builders(branch string) []string {
	var out []string
	for name, b := range a.builders {
		if string(b.Properties.Branch) == branch || string(b.Properties.RepoPath) == branch {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// defaultPushes is how many pushes Mozilla passed over where no scheduler's name
// says so.
const defaultPushes = 5

// MaxRevisions is how many pushes back the last run of a builder should be
// found: half as many again as SETA lets its scheduler pass over.
func (a *AllTheThings) MaxRevisions(builder string) int {
	n := a.pushes[builder]
	if n == 0 {
		n = defaultPushes
	}
	return (n*3 + 1) / 2
}
