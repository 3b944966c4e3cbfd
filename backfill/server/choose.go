package server

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
	"github.com/mozci/mozci/trigger/ledger"
	"github.com/mozci/mozci/trigger/trychooser"
)

// The chooser without its screens. This file reads what can run on a push and arranges it as a
// matrix of suites and platforms; choosecost.go tells how long the jobs take, chooseact.go makes
// the plan and carries it out, choosedata.go and choosesyntax.go write the choice for programs and
// other tools. pagechooser.go and pagechosen.go are the screens.
//
// Within a catalogue a job is its index in catalogue.jobs, which is sorted by label: a choice is a
// slice of such indices, in ascending order.

// The bounds of the chooser.
const (
	mostChoices  = 50_000 // labels of one catalogue; a push of Firefox has about 20,000
	mostLines    = 1000   // rows of its matrix
	mostColumns  = 200
	mostFilter   = 1000 // length of a filter in bytes
	mostAtOnce   = 500  // runs that one plan may trigger
	mostCatalogs = 8    // catalogues that are kept in memory
	// catalogFresh is how long a catalogue is used before mozci reads it again.
	catalogFresh = 10 * time.Minute
)

// chooser lets people choose among all jobs that can run on a push.
type chooser struct {
	places  Places
	ledger  ledger.Ledger
	guard   Guard
	budgets trigger.Budgets
	reading time.Duration // maximum time to read one push
	log     *slog.Logger
	kept    *flight.Cache[catalogKey, *catalogue]
}

func newChooser(places Places, o *Options) *chooser {
	return &chooser{
		places: places, ledger: o.Ledger, guard: o.Guard, budgets: o.Budgets, reading: o.Planning, log: o.Logger,
		kept: flight.New[catalogKey, *catalogue](mostCatalogs),
	}
}

// catalogKey names what a push offered within one period of catalogFresh. id is the push's. when is
// the number of the period since 1970: a request at 12:09:59 shares the catalogue that was read at
// 12:00:01, and one at 12:10:00 reads a new one.
type catalogKey struct {
	project, revision string
	id, when          int64
}

// catalogue is what can run on one push, in the form that the chooser shows. Many requests share
// it, so nothing in it changes once it was made.
type catalogue struct {
	place Place
	push  job.Push
	jobs  []choice // sorted by label
	rows  []string // suites; for jobs without one, their kinds
	cols  []string // platforms with their build types, such as linux64/debug
	whole int      // how many labels the push has; more than len(jobs) when that is above mostChoices
	of    map[string]int
	known bool // whether the usual duration of any job is known
	// data is the catalogue as JSON, see encode, and etag its ETag with the quotation marks.
	data []byte
	etag string
}

// choice is one label that can be chosen. row and col are indices into the catalogue's rows and
// cols.
type choice struct {
	job.Runnable
	row, col int
	seconds  float64 // usual duration of a run; 0 when by is byNothing
	by       measure
}

// checkChooser checks the fields of an address before anything is read.
func checkChooser(project, revision string) error {
	switch {
	case project != "" && !projects.MatchString(project):
		return wrong("project", "%q is not the name of a repository", clipped(project))
	case revision != "":
		return checkRevision(revision)
	}
	return nil
}

// open returns what can run on a push. An empty revision means the newest push.
func (c *chooser) open(ctx context.Context, project, revision string) (*catalogue, error) {
	if err := checkChooser(project, revision); err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, c.reading)
	defer stop()
	place, err := c.places.Open(ctx, project)
	if err != nil {
		return nil, err
	}
	push, err := place.Repo.Push(ctx, cmp.Or(strings.ToLower(revision), "tip"))
	if err != nil {
		return nil, err
	}
	key := catalogKey{place.Project, push.Revision, push.ID, time.Now().Unix() / int64(catalogFresh/time.Second)}
	return c.kept.Do(ctx, key, func(ctx context.Context) (*catalogue, bool, error) {
		// The fetch is shared, so it does not have this caller's deadline (see flight.Cache.Do) and
		// needs its own.
		ctx, stop := context.WithTimeout(ctx, c.reading)
		defer stop()
		return c.read(ctx, place, push)
	})
}

// read reads a push's catalog and, at the same time, how long its jobs take. Without these
// durations people can still choose, so an error there is only logged; false then says that the
// result must not be kept, and the next request tries again.
func (c *chooser) read(ctx context.Context, place Place, push job.Push) (*catalogue, bool, error) {
	type past struct {
		lengths lengths
		err     error
	}
	// There is room for one value, so that the goroutine ends also when the catalog could not be
	// read and nobody receives.
	history := make(chan past, 1)
	go func() {
		l, err := readLengths(ctx, place, push)
		history <- past{l, err}
	}()
	entries, err := job.Catalog(ctx, place.CI, push)
	if err != nil {
		return nil, false, err
	}
	h := <-history
	if h.err != nil {
		c.log.WarnContext(ctx, "how long jobs take could not be read", "push", push.String(), "error", h.err)
	}
	cat := &catalogue{place: place, push: push, whole: len(entries)}
	cat.fill(entries, h.lengths)
	return cat, h.err == nil, cat.encode()
}

// fill sorts the labels into rows, columns and cells. The first pass counts the labels of each row
// and column, from which settle decides which of these have a place; the second pass puts each
// label there. With more than mostChoices labels, the first of them by name stay.
func (cat *catalogue) fill(entries []job.Runnable, l lengths) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b job.Runnable) int { return cmp.Compare(a.Label, b.Label) })
	entries = entries[:min(len(entries), mostChoices)]
	rows, cols := newLine(mostLines), newLine(mostColumns)
	for _, e := range entries {
		row, rowElse := matrixRowOf(e)
		col := columnOf(e)
		rows.count(row, rowElse)
		cols.count(col, elsewhere)
	}
	rows.settle()
	cols.settle()
	cat.rows, cat.cols, cat.of = rows.names, cols.names, make(map[string]int, len(entries))
	l.learn(entries)
	for i, e := range entries {
		row, rowElse := matrixRowOf(e)
		col := columnOf(e)
		j := choice{Runnable: e, row: rows.at(row, rowElse), col: cols.at(col, elsewhere)}
		j.seconds, j.by = l.of(e)
		cat.known = cat.known || j.by != byNothing
		cat.jobs = append(cat.jobs, j)
		cat.of[e.Label] = i
	}
}

// kindRows are the rows of jobs without a suite, by their kind.
var kindRows = map[job.Kind]string{
	job.KindBuild: "builds", job.KindTest: "tests", job.KindPerf: "measurements", job.KindOther: "other jobs",
}

// elsewhere is the column of jobs without a platform.
const elsewhere = "no platform"

// matrixRowOf returns the row of a label, and the row it moves to when there are too many.
//
//	test of suite xpcshell     → xpcshell, else tests
//	build of variant toolchain → builds: toolchain, else builds
//	build                      → builds, else builds
func matrixRowOf(e job.Runnable) (row, otherwise string) {
	otherwise = cmp.Or(kindRows[e.Kind], kindRows[job.KindOther])
	switch {
	case e.Suite == "":
		return otherwise, otherwise
	case e.Kind == job.KindBuild:
		return otherwise + ": " + e.Suite, otherwise
	}
	return e.Suite, otherwise
}

// columnOf is the platform of a label with its build type: "linux64/debug".
func columnOf(e job.Runnable) string {
	col := cmp.Or(e.TestPlatform, e.Platform)
	switch {
	case col == "":
		return elsewhere
	case e.BuildType == "":
		return col
	}
	return col + "/" + e.BuildType
}

// line holds the names along one side of the matrix. When there are more than fit, the names with
// the fewest labels move into a row that they share. It is used in this order: count for every
// label, settle once, then at. With a maximum of 200 and 230 names, the 195 with the most labels
// stay, and the labels of the other 35 move to the names that are in back.
type line struct {
	most int
	// n counts the labels of each name.
	n    map[string]int
	back map[string][]string // where a name's labels move when it has no place of its own
	// names are those that have a place, in their order; index is the inverse. Both are empty
	// before settle.
	names []string
	index map[string]int
}

func newLine(most int) *line {
	return &line{most: most, n: map[string]int{}, back: map[string][]string{}, index: map[string]int{}}
}

// count notes one more label of this name. otherwise is where the label moves when the name has no
// place.
func (l *line) count(name, otherwise string) {
	l.n[name]++
	if !slices.Contains(l.back[name], otherwise) {
		l.back[name] = append(l.back[name], otherwise)
	}
}

// settle decides which names stay, and their order: builds first, the shared names last.
func (l *line) settle() {
	all := slices.SortedFunc(maps.Keys(l.n), func(a, b string) int {
		return cmp.Or(cmp.Compare(l.n[b], l.n[a]), cmp.Compare(a, b))
	})
	l.names = all
	if len(all) > l.most {
		// At most 4 are needed, one for each of kindRows.
		const spare = 5 // places that are kept for the shared names
		l.names = slices.Clone(all[:l.most-spare])
		for _, name := range all[l.most-spare:] {
			for _, other := range l.back[name] {
				if !slices.Contains(l.names, other) {
					l.names = append(l.names, other)
				}
			}
		}
	}
	slices.SortFunc(l.names, func(a, b string) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a, b)) })
	for i, name := range l.names {
		l.index[name] = i
	}
}

// rank orders the names: 0 for builds, 2 for the shared names, 1 for what is between.
func rank(name string) int {
	switch {
	case name == kindRows[job.KindBuild], strings.HasPrefix(name, kindRows[job.KindBuild]+": "):
		return 0
	case name == elsewhere, name == kindRows[job.KindTest], name == kindRows[job.KindPerf],
		name == kindRows[job.KindOther]:
		return 2
	}
	return 1
}

// at returns the index of a name that was counted, or of the name that it moved to.
func (l *line) at(name, otherwise string) int {
	if i, ok := l.index[name]; ok {
		return i
	}
	return l.index[otherwise]
}

// readFilter reads a filter as a person typed it. An empty filter matches every label.
func readFilter(text string) (trychooser.Query, error) {
	if len(text) > mostFilter {
		return trychooser.Query{}, wrong("q", "longer than %s bytes; shorten the filter", number(mostFilter))
	}
	q, err := trychooser.ParseQuery(text)
	if err != nil {
		return q, &InputError{"q", job.Visible(reasonText(err))}
	}
	return q, nil
}

// match returns the indices of the labels that match a filter: first those that can be chosen, then
// those that cannot run on the push.
func (cat *catalogue) match(text string) (can, barred []int, err error) {
	q, err := readFilter(text)
	if err != nil {
		return nil, nil, err
	}
	for i, j := range cat.jobs {
		switch {
		case !q.Match(j.Label):
		case j.Barred != "":
			barred = append(barred, i)
		default:
			can = append(can, i)
		}
	}
	return can, barred, nil
}

// labels returns the labels with these indices.
func (cat *catalogue) labels(of []int) []string {
	out := make([]string, len(of))
	for n, i := range of {
		out[n] = cat.jobs[i].Label
	}
	return out
}

// indices returns the indices of labels. It is an error when the push does not have one of them, or
// cannot run it. The result is sorted and has each index once.
func (cat *catalogue) indices(labels []string) ([]int, error) {
	var out []int
	for _, l := range labels {
		i, ok := cat.of[l]
		switch {
		case !ok:
			return nil, wrong("labels", "%q cannot run on push %s", clipped(l), name(cat.push.Ref()))
		case cat.jobs[i].Barred != "":
			return nil, wrong("labels", "%q cannot run on push %s: %s", clipped(l), name(cat.push.Ref()),
				brief(cat.jobs[i].Barred, 300))
		}
		out = append(out, i)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// nearest suggests a name when no label matches text: the one closest to the first word that
// matches nothing. It is empty when each word alone matches something. For "'mochitst !asan" it is
// mochitest: the sign ' and words with ! are not part of a name.
func (cat *catalogue) nearest(text string) string {
	for word := range strings.FieldsSeq(text) {
		if word == "|" || word[0] == '!' {
			continue
		}
		if can, barred, err := cat.match(word); err != nil || len(can)+len(barred) > 0 {
			continue
		}
		word = strings.Trim(strings.TrimSuffix(word, "$"), "'^")
		if word == "" {
			continue
		}
		if near := job.Nearest(slices.Concat(cat.rows, cat.cols), word, 1); len(near) > 0 {
			return near[0]
		}
	}
	return ""
}
