package joblog_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mozci/mozci/analysis/joblog"
	"github.com/mozci/mozci/internal/gunzip"
	"github.com/mozci/mozci/internal/testing/testenv"
)

// recordedLogs are the logs that were recorded, unpacked, by their names.
func recordedLogs(t *testing.T) map[string][]byte {
	t.Helper()
	logs := map[string][]byte{}
	for _, dir := range []string{testenv.Shared(t, "data", "6-logs"), testenv.Shared(t, "cases", "logs")} {
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := gunzip.Reader(f)
			if err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(text)
			if err != nil {
				t.Fatal(err)
			}
			_ = f.Close()
			logs[filepath.Base(name)] = all
		}
	}
	if len(logs) < 50 {
		t.Fatalf("%d logs", len(logs))
	}
	return logs
}

// told is all that is said of a log that is cut into blocks of a size and looked at
// on so many cores.
func told(t *testing.T, in func() io.Reader, which joblog.Format, size, cores int) string {
	t.Helper()
	r, err := joblog.Read(t.Context(), in(), which, joblog.Cut(joblog.Options{}, size, cores))
	var out strings.Builder
	if r != nil {
		fmt.Fprintf(&out, "%q %q %q %t %q\n", r.Source, r.Formats, r.Notes, r.Partial, r.Reason)
		for _, g := range r.Groups {
			fmt.Fprintf(&out, "%+v\n", g)
		}
		for i, f := range r.Failures {
			fmt.Fprintf(&out, "%+v\n", f)
			if i < 20 {
				fmt.Fprintln(&out, r.Verdict(f.Test, f.Group), r.Verdict(f.Test, ""))
			}
		}
	}
	lines, linesErr := joblog.ErrorLines(t.Context(), in(), joblog.CutLines(joblog.LineOptions{}, size, cores))
	fmt.Fprintf(&out, "%v\n%v\n", err, linesErr)
	for _, l := range lines {
		fmt.Fprintf(&out, "%+v\n", l)
	}
	return out.String()
}

// What is said of a log does not depend on how many cores look at it: of the recorded
// ones as a whole and cut anywhere, in blocks so small that what belongs together is
// in several, and lines are longer than a block.
func TestCoresSayTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	several := 0
	for name, log := range recordedLogs(t) {
		which := joblog.Format("")
		if strings.HasSuffix(name, "_errorsummary.log") {
			which = joblog.ErrorSummary
		}
		cuts := [][]byte{log}
		for range 3 {
			if len(log) > 2 {
				from := random.IntN(len(log) / 2)
				cuts = append(cuts, log[from:from+1+random.IntN(min(len(log)-from, 60<<10))])
			}
		}
		for i, text := range cuts {
			sizes := []int{64<<10 + random.IntN(1<<10)}
			if i > 0 {
				sizes = []int{100 + random.IntN(9000)}
			}
			if len(text) < 10<<10 {
				sizes = append(sizes, 1+random.IntN(100))
			}
			in := func() io.Reader { return bytes.NewReader(text) }
			for _, size := range sizes {
				one := told(t, in, which, size, 1)
				if many := told(t, in, which, size, 2+random.IntN(3)); one != many {
					t.Fatalf("%s, cut %d, blocks of %d: (-one core +several)\n%s", name, i, size, cmp.Diff(one, many))
				}
				if len(text) > 2*size {
					several++
				}
			}
		}
	}
	if several < 100 {
		t.Errorf("only %d logs were of several blocks", several)
	}
}

// An error summary and a structured log say the same whatever the size of the blocks is:
// their lines are whole again before anybody looks at them.
func TestBlocksOfJSON(t *testing.T) {
	var summary, structured strings.Builder
	structured.WriteString(`{"action":"suite_start","tests":{"a.toml":[]}}` + "\n")
	for i := range 60 {
		fmt.Fprintf(&summary, "%s{\"action\":\"test_result\",\"test\":\"dom/t%d.js\",\"subtest\":%s,\"status\":%q,"+
			"\"expected\":\"PASS\",\"message\":\"\\u00e9 %s\",\"stack\":\"a\\r\\nb\"}\r\n",
			strings.Repeat(" ", i%3), i%50, []string{"null", `"s"`}[i/7%2], []string{"PASS", "FAIL"}[i/5%2],
			strings.Repeat("long ", i*i/20))
		fmt.Fprintf(&structured, `{"action":"test_start","test":"dom/t%d.js"}`+"\n"+
			`{"action":"test_end","test":"dom/t%d.js","status":%s}`+"\n", i, i,
			[]string{`"OK"`, `"FAIL","expected":"PASS"`, `"TIMEOUT","expected":"OK","message":"\t"`}[i%3])
		if i%17 == 0 {
			summary.WriteString("\n\nno JSON\n{\"action\":\"log\",\"message\":\"torn\n\r\n{}{\"action\":\"log\",\"message\":\"m\"}\n")
		}
	}
	for which, log := range map[joblog.Format]string{
		joblog.ErrorSummary: summary.String(), joblog.StructuredLog: structured.String(),
	} {
		whole := told(t, func() io.Reader { return strings.NewReader(log) }, which, 1<<20, 1)
		if !strings.Contains(whole, "dom/t40.js") {
			t.Fatalf("%s is not read:\n%s", which, whole)
		}
		for size := 1; size < 700; size += 1 + size/5 {
			for _, cores := range []int{1, 3} {
				in := func() io.Reader { return iotest.HalfReader(strings.NewReader(log)) }
				read := told(t, in, which, size, cores)
				whole, _, _ := strings.Cut(whole, "<nil>\n<nil>") // error lines depend on blocks: only JSON does not
				read, _, _ = strings.Cut(read, "<nil>\n<nil>")
				if whole != read {
					t.Fatalf("%s, blocks of %d on %d cores (-whole +blocks):\n%s", which, size, cores, cmp.Diff(whole, read))
				}
			}
		}
	}
}

// A block of very many lines, of which most are decoded as they are taken, says the same as
// blocks of a few, with the numbers of the lines.
func TestBlocksOfTinyLines(t *testing.T) {
	var log strings.Builder
	for i := range 30_000 {
		switch {
		case i%7000 == 6999:
			fmt.Fprintf(&log, `{"action":"test_result","test":"dom/t%d.js","status":"FAIL","expected":"PASS"}`+"\n", i)
		case i%5000 == 4999:
			log.WriteString("no JSON\n")
		default:
			log.WriteString("{}\n")
		}
	}
	in := func() io.Reader { return strings.NewReader(log.String()) }
	few := told(t, in, joblog.ErrorSummary, 1000, 1)
	if !strings.Contains(few, "dom/t27999.js") {
		t.Fatalf("the last failure is not read:\n%.2000s", few)
	}
	for _, cores := range []int{1, 3} {
		read := told(t, in, joblog.ErrorSummary, 1<<20, cores)
		few, _, _ := strings.Cut(few, "<nil>\n<nil>")
		read, _, _ = strings.Cut(read, "<nil>\n<nil>")
		if few != read {
			t.Errorf("on %d cores (-small blocks +one):\n%s", cores, cmp.Diff(few, read))
		}
	}
}

// A log turns out to be Taskcluster's only far behind its beginning, when blocks behind
// that place were looked at already.
func TestTaskclusterFoundLate(t *testing.T) {
	const stamped = "[task 2026-01-02T03:04:05.678Z] 03:04:05     INFO - abort: %d\n"
	var log strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&log, stamped, i)
		if i == 1234 {
			log.WriteString("[taskcluster 2026-01-02 03:04:05.678Z] Task ID: x\n")
		}
	}
	for _, size := range []int{200, 3000, 1 << 20} {
		lines, err := joblog.ErrorLines(t.Context(), strings.NewReader(log.String()),
			joblog.CutLines(joblog.LineOptions{}, size, 4))
		if err != nil || len(lines) != 3000-1235 || lines[0].Line != 1237 ||
			lines[0].Text != "03:04:05     INFO - abort: 1235" {
			t.Errorf("blocks of %d: %d lines, %v, %+v", size, len(lines), err, lines[:min(1, len(lines))])
		}
	}
}

// torn is a log of error lines, one a line, that ends with an error behind so many.
func torn(lines int, err error) io.Reader {
	var log strings.Builder
	for i := range lines {
		fmt.Fprintf(&log, "TEST-UNEXPECTED-FAIL | dom/t%d.js | m\n", i)
	}
	return io.MultiReader(strings.NewReader(log.String()), iotest.ErrReader(err))
}

// What ends the reading does so where it would on one core, and everything before it is
// told.
func TestErrorsAtTheirPlace(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, cores := range []int{1, 4} {
		lines, err := joblog.ErrorLines(t.Context(), torn(1000, broken), joblog.CutLines(joblog.LineOptions{}, 500, cores))
		if !errors.Is(err, broken) || len(lines) != 1000 || lines[999].Line != 1000 {
			t.Errorf("%d cores: %v behind %d lines", cores, err, len(lines))
		}
		// Who wants ten lines has them before the error, and does not hear of it.
		o := joblog.CutLines(joblog.LineOptions{Most: 10}, 500, cores)
		if lines, err := joblog.ErrorLines(t.Context(), torn(1000, broken), o); err != nil || len(lines) != 10 {
			t.Errorf("%d cores: %v behind %d lines of 10", cores, err, len(lines))
		}
		r, err := joblog.Read(t.Context(), torn(1000, broken), joblog.PlainText, joblog.Cut(joblog.Options{}, 500, cores))
		if err != nil || len(r.Failures) != 1000 || !strings.Contains(r.Reason, broken.Error()) {
			t.Errorf("%d cores: %v, %s", cores, err, shown(r))
		}
	}
	var log strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&log, `{"action":"test_result","test":"t%d","status":"FAIL","expected":"PASS"}`+"\n", i)
	}
	for _, cores := range []int{1, 4} {
		in := io.MultiReader(strings.NewReader(log.String()+`{"action":"log",`), iotest.ErrReader(broken))
		r, err := joblog.Read(t.Context(), in, joblog.ErrorSummary, joblog.Cut(joblog.Options{}, 500, cores))
		if err != nil || len(r.Failures) != 1000 || r.Reason != "line 1001 could not be read: "+broken.Error() {
			t.Errorf("%d cores: %v, %d failures, %q", cores, err, len(r.Failures), r.Reason)
		}
	}
	// A torn gzip: unpacking is done before, on one core, and says where.
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.Copy(z, torn(50_000, io.EOF))
	_ = z.Close()
	half := packed.Bytes()[:packed.Len()/2]
	in := func() io.Reader { return bytes.NewReader(half) }
	one := told(t, in, "", 5000, 1)
	if many := told(t, in, "", 5000, 4); one != many || !strings.Contains(one, "unexpected EOF") {
		t.Errorf("half a gzip (-one core +several):\n%s", cmp.Diff(one, many))
	}
}

// ending cancels a context when so much of an endless log was read.
type ending struct {
	left   int
	cancel func()
}

func (e *ending) Read(p []byte) (int, error) {
	n := 0
	for ; n+38 <= len(p) && e.left > 0; e.left-- {
		n += copy(p[n:], fmt.Sprintf("TEST-UNEXPECTED-FAIL | dom/a.js | %3d\n", e.left%1000))
	}
	if e.left == 0 {
		e.cancel()
		for i := range p[n:] {
			p[n+i] = '\n'
		}
		n = len(p)
	}
	return n, nil
}

// When its context ends the reading of an endless log does too, at the same place on
// any number of cores; so it does when the log's reader panics, or only some lines are
// wanted. No goroutine is left, or the bubble would not end.
func TestEndlessLogEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cores := range []int{1, 2, 8} {
			ctx, cancel := context.WithCancel(t.Context())
			in := &ending{2000, cancel}
			lines, err := joblog.ErrorLines(ctx, in, joblog.CutLines(joblog.LineOptions{}, 3800, cores))
			if !errors.Is(err, context.Canceled) || len(lines) != 1800 { // 2000 are within the next 64 KiB
				t.Errorf("%d cores: %v behind %d lines", cores, err, len(lines))
			}
			for _, which := range []joblog.Format{joblog.PlainText, joblog.ErrorSummary, joblog.StructuredLog, joblog.GoTest} {
				ctx, cancel := context.WithCancel(t.Context())
				in := &ending{2000, cancel}
				_, err := joblog.Read(ctx, in, which, joblog.Cut(joblog.Options{}, 3800, cores))
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s, %d cores: %v", which, cores, err)
				}
			}
			o := joblog.CutLines(joblog.LineOptions{Most: 300}, 3800, cores)
			if lines, err := joblog.ErrorLines(t.Context(), &ending{1 << 30, nil}, o); err != nil || len(lines) != 300 {
				t.Errorf("%d cores: %v, %d lines", cores, err, len(lines))
			}
			func() {
				defer func() {
					if got := recover(); got != "a fault" {
						t.Errorf("recovered %v", got)
					}
				}()
				in := &ending{500, func() { panic("a fault") }}
				_, err := joblog.ErrorLines(t.Context(), in, joblog.CutLines(joblog.LineOptions{}, 3800, cores))
				t.Errorf("a reader that panics: %v", err)
			}()
		}
	})
}

// A reader that never gives anything, and no error, is not asked for ever.
func TestIdleReader(t *testing.T) {
	idle := readFunc(func([]byte) (int, error) { return 0, nil })
	for _, which := range []joblog.Format{joblog.PlainText, joblog.ErrorSummary} {
		in := io.MultiReader(strings.NewReader("TEST-UNEXPECTED-FAIL | a | b\n"), idle)
		r, err := joblog.Read(t.Context(), in, which, nil)
		if err != nil || !r.Partial || !strings.Contains(r.Reason, io.ErrNoProgress.Error()) && which == joblog.PlainText {
			t.Errorf("%s: %v, %s", which, err, shown(r))
		}
	}
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// However long a log is, and however slowly it is looked at, so many blocks are in
// memory and no more: the reader is never further ahead of what is taken.
func TestBlocksInMemory(t *testing.T) {
	const cores, size = 4, 10_000
	synctest.Test(t, func(t *testing.T) {
		ahead, read, taken := 0, 0, 0
		in := readFunc(func(p []byte) (int, error) {
			if read += len(p); read > 1000*size {
				return 0, io.EOF
			}
			ahead = max(ahead, read-taken*size)
			for i := range p {
				p[i] = '\n'
			}
			return len(p), nil
		})
		slow := func() { time.Sleep(time.Second) } // the bubble's: all else waits for it
		err := joblog.EachBlock(t.Context(), in, size, cores, slow, func() { taken++ })
		if err != nil || taken < 1000 {
			t.Errorf("%v behind %d blocks", err, taken)
		}
		if most := (2*cores + 1) * size; ahead != most {
			t.Errorf("%d bytes were in memory, not %d", ahead, most)
		}
	})
}

// What a progress bar leaves is a line of its own also where a block ends with it.
func TestBlocksOfProgress(t *testing.T) {
	var log strings.Builder
	for i := range 500 {
		fmt.Fprintf(&log, "abort: %d\r", i)
	}
	for _, cores := range []int{1, 4} {
		o := joblog.CutLines(joblog.LineOptions{}, 100, cores)
		lines, err := joblog.ErrorLines(t.Context(), strings.NewReader(log.String()), o)
		if err != nil || len(lines) != 500 || lines[499] != (joblog.ErrorLine{Line: 1, Text: "abort: 499"}) {
			t.Errorf("%d cores: %v, %d lines", cores, err, len(lines))
		}
	}
}

// What goes wrong on another core is for who asked, who can recover.
func TestFaultOnAnotherCore(t *testing.T) {
	defer func() {
		if got := recover(); got != "a fault" {
			t.Errorf("recovered %v", got)
		}
	}()
	looks := make(chan bool, 100)
	err := joblog.EachBlock(t.Context(), strings.NewReader(strings.Repeat("a\n", 100)), 20, 4, func() {
		if looks <- true; len(looks) > 3 {
			panic("a fault")
		}
	}, func() {})
	t.Errorf("read to the end: %v", err)
}
