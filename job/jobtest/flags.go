package jobtest

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mozci/mozci/job"
)

// longestName is how many bytes a name that a flag or a truth gives can have.
const longestName = 300

// classes are the words of :class=, and the kinds that they stand for. What Treeherder
// guessed by itself is a word too, so that a world can tell it from a person's.
var classes = map[string]job.ClassificationKind{
	"intermittent": job.ClassifiedIntermittent, "fixed": job.ClassifiedFixed, "expected": job.ClassifiedExpected,
	"infra": job.ClassifiedInfra, "needs-bug": job.ClassifiedNeedsBug, "auto": job.NotClassified,
}

// flags reads what follows the word of a cell: "no-test:sig=a:by=backfill".
func (p *parser) flags(at word, flags string, run *cellRun) error {
	seen := map[string]bool{}
	for f := range strings.SplitSeq(flags, ":") {
		name, value, hasValue := strings.Cut(f, "=")
		switch {
		case f == "no-test":
			run.noTest = true
			continue
		case f == "expired":
			run.expired = true
			continue
		case !hasValue || name != "v" && name != "sig" && name != "by" && name != "class":
			return p.fail(at, "flag %q: expected no-test, expired, v=N, sig=NAME, by=NAME or class=WORD", f)
		case seen[name]:
			return p.fail(at, "flag %s is given twice", name)
		}
		seen[name] = true
		if err := p.flag(at, name, value, run); err != nil {
			return err
		}
	}
	return nil
}

// flag reads a flag that has a value.
func (p *parser) flag(at word, name, value string, run *cellRun) error {
	switch name {
	case "v":
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			return p.fail(at, "value %q: expected a number, such as v=431.2", value)
		}
		run.value = &v
	case "class":
		if _, ok := classes[value]; !ok {
			return p.fail(at, "class %q: expected intermittent, fixed, expected, infra, needs-bug or auto", value)
		}
		if !run.status.Waiting() && !run.status.Failed() && run.status != job.StatusException &&
			run.status != job.StatusRetry {
			return p.fail(at, "a run that ends as %s is not classified: only one that fails is", run.status)
		}
		run.class = value
	case "sig":
		return p.named(at, name, value, &run.sig)
	case "by":
		return p.named(at, name, value, &run.by)
	}
	return nil
}

// named reads the name that a flag or a truth gives. what is the word before the =, for the error.
func (p *parser) named(at word, what, value string, into *string) error {
	if value == "" || len(value) > longestName || !utf8.ValidString(value) {
		return p.fail(at, "%s=%.40q: expected a name of 1 to %d bytes", what, value, longestName)
	}
	*into = value
	return nil
}
