package selfserve

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// things is allthethings.json. Some saved copies have only part of it, so a scheduler may
// trigger builders that are not in the file.
var things = contract.New(contract.Endpoint[wireThings]{
	Source: source, Name: "allthethings", URL: `/allthethings\.json$`, File: `^([^ ]*__)?allthethings\.json$`,
})

type wireThings struct {
	Builders   map[string]thing     `json:"builders" is:"required" min:"1"`
	Schedulers map[string]scheduler `json:"schedulers" is:"required" min:"1"`
}

// AllTheThings is allthethings.json, the configuration of Mozilla's masters: every builder, and
// the schedulers that say what triggers what. [ReadAllTheThings] makes one. It does not change
// after that, so it is safe for concurrent use.
type AllTheThings struct {
	builders map[string]thing
	upstream map[string][]string // by builder: the builds that trigger it
	pushes   map[string]int      // by builder: how many pushes SETA lets its scheduler skip
}

// thing is a builder.
type thing struct {
	ShortName  string `json:"shortname" is:"required" min:"1"`
	Properties struct {
		Branch   string `json:"branch" is:"" min:"1"` // none for a builder of no repository
		RepoPath string `json:"repo_path" is:"" min:"1"`
		// The platform; for a build with its type: linux64-debug.
		Platform      string `json:"platform" is:"open"`
		StagePlatform string `json:"stage_platform" is:"open"`

		_ contract.Also `names:"*"`
	} `json:"properties" is:"required"`

	_ contract.Also `names:"slavebuilddir slavepool"`
}

// scheduler triggers builders.
//
// For example
//
//	"tests-fx-team-xp-ix-opt-unittest-7-3600": {
//		"triggered_by": ["fx-team-win32-opt-unittest"],
//		"downstream":   ["Windows XP 32-bit fx-team opt test mochitest-1", …]
//	}
//
// lets the builds with the short name fx-team-win32 trigger those tests.
type scheduler struct {
	Downstream  []string `json:"downstream" is:"required"`
	TriggeredBy []string `json:"triggered_by"` // schedulers of tests always have it
}

// skips matches the end of the name of a scheduler that SETA made, -<pushes>-<seconds>: it
// runs after that many pushes, or after that time. "tests-fx-team-xp-ix-debug-unittest-7-3600"
// skips up to 7 pushes or one hour: groups "7" and "3600".
var skips = regexp.MustCompile(`-(\d+)-(\d+)$`)

// mostThings is the largest size accepted for allthethings.json, in bytes. Mozilla's had
// about 20 MB.
const mostThings = 256 << 20

// ReadAllTheThings reads allthethings.json. The downstream of a scheduler are the builders
// that it triggers. Its triggered_by names builds by their short names, followed by a word for
// what they trigger: try-platform-opt-unittest. When a builder or scheduler comes twice, the
// last one counts, as in the programs that wrote such files and merged them. Anything that is
// not such a file gives [job.ErrMalformed]; it may have up to 256 MiB.
func ReadAllTheThings(in io.Reader) (*AllTheThings, error) {
	text, err := io.ReadAll(io.LimitReader(in, mostThings+1))
	if err == nil && len(text) > mostThings {
		err = fmt.Errorf("%w: more than %d MiB", job.ErrMalformed, mostThings>>20)
	}
	if err != nil {
		return nil, job.Wrap("selfserve.allthethings", "", err)
	}
	w, err := things.Decode(contract.Asked{}, text)
	if errors.Is(err, jsontext.ErrDuplicateName) {
		if text, err = once(text); err == nil {
			w, err = things.Decode(contract.Asked{}, text)
		}
	}
	if err == nil {
		err = w.proven()
	}
	if err != nil {
		return nil, job.OfHTTP("selfserve.allthethings", "", err)
	}
	short := map[string][]string{}
	for name, b := range w.Builders {
		if !tests(name) {
			short[b.ShortName] = append(short[b.ShortName], name)
		}
	}
	out := &AllTheThings{builders: w.Builders, upstream: map[string][]string{}, pushes: map[string]int{}}
	for _, name := range slices.Sorted(maps.Keys(w.Schedulers)) {
		s := w.Schedulers[name]
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

// once rewrites the file so that each builder and each scheduler comes once, the last of each.
func once(text []byte) ([]byte, error) {
	var parts map[string]map[string]jsontext.Value
	if err := v2.Unmarshal(text, &parts, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, fmt.Errorf("%w: %w", job.ErrMalformed, err)
	}
	return v2.Marshal(parts, v2.Deterministic(true))
}

// proven checks that each scheduler of tests is triggered by something, and that no name is
// empty.
func (w *wireThings) proven() error {
	broken := func(name, field, detail string) error {
		return &contract.Error{Source: things.Title(), Finding: contract.Finding{
			Path: fmt.Sprintf("schedulers[%q].%s", name, field), Kind: contract.KindMissing, Detail: detail,
		}}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Schedulers)) {
		s := w.Schedulers[name]
		switch {
		case strings.HasPrefix(name, "tests-") && len(s.TriggeredBy) == 0:
			return broken(name, "triggered_by", "missing, although a build must trigger tests")
		case slices.Contains(s.TriggeredBy, ""):
			return broken(name, "triggered_by", "a name is empty")
		case slices.Contains(s.Downstream, ""):
			return broken(name, "downstream", "a name is empty")
		}
	}
	return nil
}

// tests reports whether a builder, by its name, is a test or a measurement.
func tests(name string) bool {
	kind := kindOf(name)
	return kind == job.KindTest || kind == job.KindPerf
}

// triggering returns the builds that a word of triggered_by means. It strips the endings one
// after the other until the rest is a short name: a-b-pgo-opt-unittest, a-b-pgo, a-b. The last
// step is for platforms without PGO builds of their own, whose tests of PGO test the opt
// build.
//
//	try-linux64-opt-unittest        try-linux64-opt-unittest, then try-linux64
//	try-linux64-pgo-talos           try-linux64-pgo-talos, try-linux64-pgo, then try-linux64
//
// The first of these that is a short name counts. A trigger may also be the whole name of a
// builder.
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

// Upstream returns the builds that trigger a builder. A build has none.
func (a *AllTheThings) Upstream(builder string) []string {
	return slices.Clone(a.upstream[builder])
}

// of reports whether a builder belongs to a branch, given by its name or its path.
func (b thing) of(branch string) bool {
	return b.Properties.Branch == branch || b.Properties.RepoPath == branch
}

// Builders returns the builders of a branch, sorted.
func (a *AllTheThings) Builders(branch string) []string {
	var out []string
	for name, b := range a.builders {
		if b.of(branch) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// defaultPushes is how many pushes Mozilla's schedulers skipped when their names did not say.
const defaultPushes = 5

// MaxRevisions is how many pushes one has to look back, at most, to find the last run of a
// builder: 1.5 times the pushes that SETA lets its scheduler skip, rounded up. With 7 it is 11;
// without SETA, 8. The arithmetic is in whole numbers: (7*3 + 1) / 2 = 11 and (5*3 + 1) / 2 = 8.
func (a *AllTheThings) MaxRevisions(builder string) int {
	n := a.pushes[builder]
	if n == 0 {
		n = defaultPushes
	}
	return (n*3 + 1) / 2
}
