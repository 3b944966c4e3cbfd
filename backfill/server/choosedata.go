package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/mozci/mozci/job"
)

// catalogJSON is a catalogue for the page's script. It has parallel lists, in which index i is
// always the same label: 20,000 objects would be several times as large. Row[i] is an index into
// Rows and Column[i] one into Columns. Whole is how many labels the push has, more than len(Labels)
// when that is above mostChoices.
type catalogJSON struct {
	Labels  []string `json:"labels"`
	Row     []int    `json:"row"`
	Column  []int    `json:"column"`
	Seconds []int    `json:"seconds"` // -1 when unknown
	Barred  []int    `json:"barred"`  // indices of the labels that cannot run on the push
	Rows    []string `json:"rows"`
	Columns []string `json:"columns"`
	// Shown are labels with characters that must be escaped before people see them, by index.
	Shown map[string]string `json:"shown"`
	Most  int               `json:"most"` // maximum number of runs that may be triggered at once
	Whole int               `json:"whole"`
}

// encode writes the catalogue for the script, once for all who load it. The ETag is a hash of the
// text, so that a push that offers the same in the next period needs no second transfer.
func (cat *catalogue) encode() error {
	out := catalogJSON{
		Labels: []string{}, Row: []int{}, Column: []int{}, Seconds: []int{}, Barred: []int{},
		Shown: map[string]string{}, Rows: visible(cat.rows), Columns: visible(cat.cols), Most: mostAtOnce,
		Whole: cat.whole,
	}
	for i, j := range cat.jobs {
		out.Labels = append(out.Labels, j.Label)
		out.Row, out.Column = append(out.Row, j.row), append(out.Column, j.col)
		seconds := int(math.Round(j.seconds))
		if j.by == byNothing {
			seconds = -1
		}
		out.Seconds = append(out.Seconds, seconds)
		if j.Barred != "" {
			out.Barred = append(out.Barred, i)
		}
		if s := plain(j.Label); s != j.Label {
			out.Shown[strconv.Itoa(i)] = s
		}
	}
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	cat.data, cat.etag = text, `"`+hex.EncodeToString(sum[:12])+`"`
	return nil
}

// visible returns the names as people may see them, each at most 120 bytes long.
func visible(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = brief(n, 120)
	}
	return out
}

// chooserData answers with the JSON from which the chooser's script works.
func (p *page) chooserData(w http.ResponseWriter, r *http.Request) {
	_, cat, err := p.openChooser(r)
	if err != nil {
		code, t := p.troubleIn(r, err)
		http.Error(w, t.Text, code)
		return
	}
	serveJSON(w, r, cat.data, cat.etag, "private, no-cache")
}

// openChooser reads the fields of an address, and then the catalogue of the push that it names.
func (p *page) openChooser(r *http.Request) (chooserAsk, *catalogue, error) {
	a, err := readChooser(r.URL.Query())
	if err != nil {
		return a, nil, err
	}
	cat, err := p.o.Chooser.open(r.Context(), a.Project, a.Revision)
	return a, cat, err
}

// runnableJSON is what can run on a push, in the words of the API. Total is how many labels the
// push has, with those that the filter does not match. Seconds is the machine time of one run of
// each matched label that can run, and Unknown how many of these have no known duration. Labels are
// sorted by name.
type runnableJSON struct {
	Push    job.PushRef    `json:"push"`
	Total   int            `json:"total"`
	Seconds float64        `json:"usual_seconds"`
	Unknown int            `json:"unknown"`
	Labels  []runnableItem `json:"labels"`
}

// runnableItem is one matched label. Chunk is 0 for a suite that is not split. Seconds is null when
// nothing is known, and By says what it was computed from: "label", "suite", "kind" or "nothing".
// Barred is null for a label that can run.
type runnableItem struct {
	Label        Text     `json:"label"`
	Kind         job.Kind `json:"kind"`
	BuildType    Text     `json:"build_type"`
	Platform     Text     `json:"platform"`
	TestPlatform Text     `json:"test_platform"`
	Suite        Text     `json:"suite"`
	Chunk        int      `json:"chunk"`
	Seconds      *float64 `json:"usual_seconds"`
	By           string   `json:"usual_of"`
	Barred       Text     `json:"barred"`
}

// apiRunnable lists the labels that can run on a push, and how long they usually take.
func (s *Server) apiRunnable(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name, values := range q {
		if !slices.Contains([]string{"project", "revision", "q"}, name) {
			s.fail(w, r, wrong(clipped(name), "unknown parameter; /openapi.json lists the parameters"))
			return
		}
		if len(values) > 1 {
			s.fail(w, r, wrong(name, "given %d times; give it once", len(values)))
			return
		}
	}
	out, err := s.runnable(r, q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.write(w, r, http.StatusOK, out)
}

// runnable reads the catalogue that the parameters project and revision name, and filters it by q.
func (s *Server) runnable(r *http.Request, q url.Values) (runnableJSON, error) {
	if _, err := readFilter(q.Get("q")); err != nil { // a bad filter is reported before any service is called
		return runnableJSON{}, err
	}
	cat, err := s.chooser.open(r.Context(), q.Get("project"), q.Get("revision"))
	if err != nil {
		return runnableJSON{}, err
	}
	can, barred, err := cat.match(q.Get("q"))
	if err != nil {
		return runnableJSON{}, err
	}
	cost := cat.cost(can, 1)
	out := runnableJSON{
		Push: cat.push.Ref(), Total: cat.whole, Seconds: cost.seconds, Unknown: cost.unknown, Labels: []runnableItem{},
	}
	all := slices.Concat(can, barred)
	slices.Sort(all)
	for _, i := range all {
		j := cat.jobs[i]
		item := runnableItem{
			Label: Text(j.Label), Kind: wordedKind(j.Kind), BuildType: Text(j.BuildType), Platform: Text(j.Platform),
			TestPlatform: Text(j.TestPlatform), Suite: Text(j.Suite), Chunk: j.Chunk, By: j.by.String(),
			Barred: Text(j.Barred),
		}
		if j.by != byNothing {
			item.Seconds = &j.seconds
		}
		out.Labels = append(out.Labels, item)
	}
	return out, nil
}

// wordedKind returns k, or KindOther when it is none of the kinds that have a word.
func wordedKind(k job.Kind) job.Kind {
	if kindRows[k] == "" {
		return job.KindOther
	}
	return k
}

// noteChoice adds to the audit line what was chosen.
func noteChoice(r *http.Request, cat *catalogue, what string, runs, failed int) {
	Audit(r.Context(), slog.String("what", what), slog.String("project", cat.place.Project),
		slog.String("revision", cat.push.Revision), slog.Int("runs", runs), slog.Int("failed", failed))
}
