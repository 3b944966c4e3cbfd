package buildbot

import (
	"fmt"
	"io"

	"github.com/mozci/mozci/internal/joinlog"
)

// part is one of several logs that are read as one stream.
type part struct {
	leaf
	open func() (io.ReadCloser, error)
}

// chain reads logs one after the other, and opens each only when it is needed. It knows which
// log each line is from, and implements job.LineLocator.
type chain struct {
	*joinlog.Reader
	parts []part
}

// chainOf joins logs. headed puts a line before each log that names its step.
func chainOf(parts []part, headed bool) *chain {
	var all []joinlog.Part
	for _, l := range parts {
		p := joinlog.Part{Open: l.open}
		if headed {
			p.Head = fmt.Sprintf("===== step %d: %s: %s =====", l.step.Number, l.step.Name, l.log.Name)
		}
		all = append(all, p)
	}
	return &chain{joinlog.New(all...), parts}
}

// Place implements job.LineLocator: own is the number of the line within its own log. With two
// logs of 3 lines and a heading before each, line 1 and line 5 are headings, which are of no
// log, and line 7 is line 2 of the second log.
func (c *chain) Place(line int) (step, log string, own int) {
	i, own, ok := c.Reader.Place(line)
	if !ok {
		return "", "", 0
	}
	return c.parts[i].step.Name, c.parts[i].log.Name, own
}
