package joblog

import (
	"bytes"
	"fmt"
)

// frame has the first and the last line of a worker around the output of a job.
type frame struct{ by, first, last string }

var frames = []frame{
	{"the Taskcluster worker", "[taskcluster", "[taskcluster"},
	{"Buildbot", "builder: ", "========= Finished"},
}

// mostEnd is how many bytes of the last line are kept.
const mostEnd = 200

// framing looks at the first and the last line of a plain log. A worker that wrote the first line
// also writes the last one, unless the log is cut.
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

// missing says that the end of the log is missing, because it stops within a line that is not the
// worker's. It is empty for a log that has its end or has no frame, and for one that stops between
// two lines: that may be the log of a job that still runs.
func (e *framing) missing() string {
	if e.frame == nil || e.whole || bytes.HasPrefix(e.last, []byte(e.frame.last)) {
		return ""
	}
	return fmt.Sprintf("the log is cut: it stops within a line, before the last one of %s", e.frame.by)
}
