package joblog

import (
	"bytes"
	"fmt"
)

// frame is how a worker frames what a job prints: its own first line and its own
// last one.
type frame struct{ by, first, last string }

var frames = []frame{
	{"the Taskcluster worker", "[taskcluster", "[taskcluster"},
	{"Buildbot", "builder: ", "========= Finished"},
}

// mostEnd is how much of the last line is kept.
const mostEnd = 200

// framing watches how a plain log begins and how it ends. A worker that wrote the
// first line writes the last one too, unless the log is cut.
type framing struct {
	frame *frame
	begun bool
	last  []byte // the beginning of the last line that is not empty
	whole bool   // that line ends
}

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

// missing says that the log has no end: it stops within a line that is not the
// worker's. Empty where it has one, or is not framed; a log that stops between two
// lines looks like that of a job that still runs.
func (e *framing) missing() string {
	if e.frame == nil || e.whole || bytes.HasPrefix(e.last, []byte(e.frame.last)) {
		return ""
	}
	return fmt.Sprintf("the log is cut: it stops within a line, before the last one of %s", e.frame.by)
}
