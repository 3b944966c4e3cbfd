package joblog

import (
	"bytes"
	"fmt"
)

// frame says how the two lines begin that a worker writes before and after the output of a job:
//
//	[taskcluster 2026-01-01T00:00:00.000Z] Task ID: x
//	… the job's own output …
//	[taskcluster 2026-01-01T00:00:09.000Z] Unsuccessful task run with exit code: 1 …
type frame struct{ by, first, last string }

var frames = []frame{
	{"the Taskcluster worker", "[taskcluster", "[taskcluster"},
	{"Buildbot", "builder: ", "========= Finished"},
}

// mostEnd is how many bytes of the last line are kept.
const mostEnd = 200

// framing looks at the first and the last line of a plain log. A worker that wrote the first line
// also writes the last one, unless the log is cut. Block by block it keeps what was the last line so far.
type framing struct {
	frame *frame // by the first line; nil for a log without a frame
	begun bool   // a line that is not empty was seen
	last  []byte // the beginning of the last line that is not empty
	whole bool   // that line ends
}

// block handles the next block of the log. A block of white space alone changes nothing.
func (e *framing) block(block []byte) {
	text := bytes.TrimRight(block, " \t\r\n\x00")
	if len(text) == 0 {
		return
	}
	if !e.begun {
		e.begun = true
		for i, f := range frames {
			if bytes.HasPrefix(bytes.TrimLeft(text, "\ufeff \t\r\n"), []byte(f.first)) {
				e.frame = &frames[i]
			}
		}
	}
	if e.frame != nil {
		line := text[bytes.LastIndexAny(text, "\r\n")+1:]
		e.last = append(e.last[:0], line[:min(len(line), mostEnd)]...)
		e.whole = len(text) < len(block)
	}
}

// missing says that the end of the log is missing, because it stops within a line that is not the
// worker's. It is empty for a log that has its end or has no frame, and for one that stops between
// two lines: that may be the log of a job that still runs. The log "[taskcluster …] Task ID: x\nTEST-ST"
// is cut; with a line feed at its end it counts as one that still runs.
func (e *framing) missing() string {
	if e.frame == nil || e.whole || bytes.HasPrefix(e.last, []byte(e.frame.last)) {
		return ""
	}
	return fmt.Sprintf("the log is cut: it stops within a line, before the last one of %s", e.frame.by)
}
