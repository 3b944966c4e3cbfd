package joblog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/lax"
)

// mostResult is the maximum size of one result in a wptreport.json, in bytes of JSON: some tests have a
// hundred thousand subtests.
const mostResult = 64 << 20

// wptResult is one result of a wptreport.json
// (web-platform-tests/wpt, tools/wptrunner/wptrunner/formatters/wptreport.py).
// A status that is as expected has no "expected". A test of one page has a status of its own (OK, or
// TIMEOUT when it did not get to its end) beside those of its subtests:
//
//	{"test":"/xhr/a.html","status":"OK","subtests":[{"name":"s1","status":"FAIL","expected":"PASS","message":"m"}]}
type wptResult struct {
	Test     lax.Text     `json:"test"`
	Status   lax.Text     `json:"status"`
	Expected lax.Text     `json:"expected"`
	Message  lax.Text     `json:"message"`
	Known    lax.Texts    `json:"known_intermittent"`
	Subtests []wptSubtest `json:"subtests"`
}

type wptSubtest struct {
	Name     lax.Text  `json:"name"`
	Status   lax.Text  `json:"status"`
	Expected lax.Text  `json:"expected"`
	Message  lax.Text  `json:"message"`
	Known    lax.Texts `json:"known_intermittent"`
}

// wptReport reads a wptreport.json, result by result: the whole of it may not fit into memory.
type wptReport struct {
	r     *Report
	d     *json.Decoder // reads lines
	lines *lineCounter
	known bool // "results" was read
	ended bool // "time_end" was read, which wptrunner writes when the suite ends
}

// readWPTReport reads a wptreport.json, and others after it in the same file. A file that is cut or that
// is no report gives a Partial report; the only error is that of ctx.
func readWPTReport(ctx context.Context, b *bufio.Reader, tests []string) (*Report, error) {
	w := &wptReport{r: newReport(WPTReport).want(tests), lines: &lineCounter{in: b, left: mostResult, line: 1}}
	w.d = json.NewDecoder(w.lines)
	w.r.quiet = true
	for {
		t, err := w.d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && t != json.Delim('{') {
			err = errors.New("a report is an object")
		}
		if err == nil {
			err = w.object(ctx)
		}
		if ctx.Err() != nil {
			return w.r, ctx.Err()
		}
		if err != nil {
			w.r.partial(fmt.Sprintf("line %d: %v", w.lines.at(w.d.InputOffset()), torn(err)))
			break
		}
	}
	switch {
	case !w.known:
		w.r.partial("nothing in it is a wptreport's")
	case !w.ended:
		w.r.partial("it has no time_end: the run did not end")
	}
	return w.r, nil
}

// torn is err in words that a person understands, when it says that the file was cut.
func torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON ends before its end")
	}
	return err
}

// object reads one report, from behind its opening brace to behind its closing one. Members that are not
// needed are skipped.
func (w *wptReport) object(ctx context.Context) error {
	w.ended = false
	for w.d.More() {
		key, err := w.d.Token()
		if err != nil {
			return err
		}
		switch key {
		case "results":
			if err := w.results(ctx); err != nil {
				return err
			}
			continue
		case "time_end":
			w.ended = true
		}
		var raw json.RawMessage
		if err := w.decode(&raw); err != nil {
			return err
		}
		switch key {
		case "lsan_leaks":
			w.lsan(raw)
		case "mozleak":
			w.leaks(raw)
		}
	}
	_, err := w.d.Token()
	return err
}

// decode decodes the next value, of at most mostResult bytes and what the decoder has read ahead.
func (w *wptReport) decode(into any) error {
	w.lines.left = mostResult
	return w.d.Decode(into)
}

// results reads the array of results. A member of a wrong type makes the report partial, and the rest of
// the result counts; JSON that is wrong ends the reading, since no place is known where it goes on.
func (w *wptReport) results(ctx context.Context) error {
	t, err := w.d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return errors.New("results is no array")
	}
	w.known = true
	for n := 0; w.d.More(); n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		from := w.d.InputOffset() // of its brace, or of the comma before it
		if n > 0 {
			from++
		}
		var res wptResult
		err := w.decode(&res)
		var wrong *json.UnmarshalTypeError
		if err != nil && !errors.As(err, &wrong) {
			return err
		}
		line := w.lines.next(from)
		if err != nil {
			w.r.partial(fmt.Sprintf("line %d: a result has another shape than is known: %v", line, err))
		}
		w.result(line, res)
	}
	_, err = w.d.Token()
	return err
}

// result handles one result. A failed subtest means that the test failed, whatever its own status. A result
// without its status says nothing, and must not let the test pass.
func (w *wptReport) result(line int, res wptResult) {
	test := string(res.Test)
	if test == "" || res.Status == "" {
		w.r.partial(fmt.Sprintf("line %d: a result has no test or no status", line))
		if test != "" {
			w.r.end(test, started)
		}
		return
	}
	unexpected := func(status, expected lax.Text, known lax.Texts) bool {
		return expected != "" && status != expected && !slices.Contains(known, status)
	}
	bad := false
	for _, s := range res.Subtests {
		if unexpected(s.Status, s.Expected, s.Known) {
			bad = true
			w.r.add(Failure{
				Line: line, Kind: KindTest, Test: test, Subtest: string(s.Name), Status: string(s.Status),
				Expected: string(s.Expected), Message: string(s.Message),
			})
		}
	}
	if unexpected(res.Status, res.Expected, res.Known) {
		f := Failure{
			Line: line, Test: test, Status: string(res.Status), Expected: string(res.Expected),
			Message: string(res.Message),
		}
		f.Kind = kindOf(f)
		w.r.add(f)
		return
	}
	if !bad {
		w.r.end(test, endsAs(string(res.Status)))
	}
}

// lsan reads the leaks that LeakSanitizer found and that are not allowed.
func (w *wptReport) lsan(raw json.RawMessage) {
	var leaks []struct {
		Frames  lax.Texts       `json:"frames"`
		Scope   lax.Text        `json:"scope"`
		Allowed json.RawMessage `json:"allowed_match"`
	}
	if json.Unmarshal(raw, &leaks) != nil {
		return
	}
	for _, l := range leaks {
		if len(l.Allowed) > 0 && string(l.Allowed) != "null" {
			continue
		}
		var frames []string
		for _, f := range l.Frames {
			frames = append(frames, string(f))
		}
		message := "leak at " + strings.Join(frames, ", ")
		w.r.add(Failure{
			Line: w.lines.at(w.d.InputOffset()), Kind: KindLeak, Test: "LeakSanitizer",
			Group: string(l.Scope), Status: "FAIL", Message: message,
		})
	}
}

// leaks reads the totals of memory that was not freed. A total of null means that there was none to read,
// which is a failure too. The totals are those of each scope and each process:
//
//	{"/xhr":{"total":[{"process":"tab","bytes":4096,"threshold":0}]}}      "tab 4096 bytes leaked"
func (w *wptReport) leaks(raw json.RawMessage) {
	var scopes map[string]struct {
		Total []struct {
			Process   lax.Text `json:"process"`
			Bytes     *float64 `json:"bytes"`
			Threshold float64  `json:"threshold"`
			Induced   bool     `json:"induced_crash"`
		} `json:"total"`
	}
	if json.Unmarshal(raw, &scopes) != nil {
		return
	}
	for _, scope := range sortedKeys(scopes) {
		for _, t := range scopes[scope].Total {
			f := Failure{
				Line: w.lines.at(w.d.InputOffset()), Kind: KindLeak, Test: "leakcheck", Group: scope,
				Status: "FAIL",
			}
			switch {
			case t.Induced:
				continue
			case t.Bytes == nil:
				f.Message = string(t.Process) + " missing output line for total leaks"
			case *t.Bytes > t.Threshold:
				f.Message = fmt.Sprintf("%s %.0f bytes leaked", t.Process, *t.Bytes)
			default:
				continue
			}
			w.r.add(f)
		}
	}
}

// lineCounter finds the line of a byte in a stream, and limits how much is read for one value. It is below
// a decoder that reads ahead, so it keeps the places of line feeds until the decoder gets there.
type lineCounter struct {
	in    io.Reader
	left  int    // bytes that may still be read for the present value; the decoder's caller sets it
	read  int64  // bytes so far
	text  int64  // the offset behind the last byte so far that is not white space
	feeds []feed // line feeds that were not counted yet, in order
	line  int    // the line of the last offset that was asked for; 1 at first
}

// feed is a line feed. For the second one of "a\nb \n" it is {4, 3}.
type feed struct {
	at   int64 // its offset
	text int64 // the offset behind the last byte before it that is not white space; 0 when there is none
}

var errResult = fmt.Errorf("one result has more than %d bytes", mostResult)

func (l *lineCounter) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errResult
	}
	n, err := l.in.Read(p)
	for i, c := range p[:n] {
		switch c {
		case '\n':
			l.feeds = append(l.feeds, feed{l.read + int64(i), l.text})
		case ' ', '\t', '\r':
		default:
			l.text = l.read + int64(i) + 1
		}
	}
	l.read += int64(n)
	l.left -= n
	return n, err
}

// at is the line of an offset, 1-based. Offsets must not decrease from call to call of at and next. In
// "a\nb\n" the line feeds are at 1 and 3, so that offset 0 or 1 is in line 1, and 2 or 3 in line 2.
func (l *lineCounter) at(offset int64) int {
	return l.count(func(f feed) bool { return f.at < offset })
}

// next is the line of the first byte from an offset on that is not white space; the stream must have been
// read that far. In "a,\n\nb" it is line 1 for the offsets 0 and 1, and line 3 for 2, which is behind the
// comma: the text before either line feed ends there.
func (l *lineCounter) next(offset int64) int {
	return l.count(func(f feed) bool { return f.text <= offset })
}

// count goes on by the line feeds that are before a place.
func (l *lineCounter) count(before func(feed) bool) int {
	n := 0
	for n < len(l.feeds) && before(l.feeds[n]) {
		n++
	}
	l.line += n
	l.feeds = l.feeds[:copy(l.feeds, l.feeds[n:])]
	return l.line
}
