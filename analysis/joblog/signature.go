package joblog

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// Signature identifies a failure: failures of several runs with the same Print are the same failure.
type Signature struct {
	// Print is the failure's Fingerprint as valid UTF-8, cut to 300 bytes.
	Print string
	// Test and Group are those of the failure; empty when it names none.
	Test, Group string
}

// The bounds of what is kept of one run.
const (
	mostSignatures   = 50
	longestSignature = 300 // bytes
)

func signatureOf(f Failure) Signature {
	return Signature{cutPrint(f.Fingerprint()), f.Test, f.Group}
}

// ParseSignature reads a signature from its Print or from a whole fingerprint. Its Group is unknown.
// "test | dom/a.html | assert N" has the test dom/a.html, and "build |  | make failed" has none.
func ParseSignature(fingerprint string) Signature {
	s := Signature{Print: cutPrint(strings.TrimSpace(fingerprint))}
	if _, rest, ok := strings.Cut(s.Print, " | "); ok {
		s.Test, _, _ = strings.Cut(rest, " | ")
	}
	return s
}

// cutPrint makes a fingerprint fit for a database and a page.
func cutPrint(fingerprint string) string {
	return clip.Text(strings.ToValidUTF8(strings.ReplaceAll(fingerprint, "\x00", " "), "?"), longestSignature)
}

// String is the signature for people: the test, or the message if it names no test.
func (s Signature) String() string {
	kind, rest, _ := strings.Cut(s.Print, " | ")
	test, message, _ := strings.Cut(rest, " | ")
	return cmp.Or(s.Test, test, message, kind)
}

// top is the function at the top of a crash's stack: "mozilla::F" in "crash | dom/a.html | [@ mozilla::F]".
// It is empty for other failures, and for a Print that was cut within it.
func (s Signature) top() string {
	kind, _, _ := strings.Cut(s.Print, " | ")
	_, top, ok := strings.Cut(s.Print, " | [@ ")
	if kind != string(KindCrash) || !ok || !strings.HasSuffix(top, "]") {
		return ""
	}
	return strings.TrimSuffix(top, "]")
}

// Signatures returns the signatures of the failures, each once, in the order of the log, at most 50.
// A harness's messages about itself count only when nothing else failed. Failures of the
// infrastructure have no signature. The result is also empty when the log does not say what failed.
func (r *Report) Signatures() []Signature {
	all := append(slices.Clone(r.Failures), r.Nameless()...)
	named := slices.ContainsFunc(all, func(f Failure) bool { return f.Kind != KindLog && f.Kind != KindInfra })
	var out []Signature
	seen := map[string]bool{}
	for _, f := range all {
		if f.Kind == KindInfra || f.Kind == KindLog && named {
			continue
		}
		s := signatureOf(f)
		if len(out) < mostSignatures && !seen[s.Print] {
			seen[s.Print] = true
			out = append(out, s)
		}
	}
	return out
}

// OnlyInfra reports whether something failed and every failure was one of the infrastructure.
func (r *Report) OnlyInfra() bool {
	return len(r.Failures) > 0 && len(r.Nameless()) == 0 &&
		!slices.ContainsFunc(r.Failures, func(f Failure) bool { return f.Kind != KindInfra })
}

// whole reports whether the log was understood and read to its end. Only then does a failure that it
// does not mention count as one that did not happen.
func (r *Report) whole() bool {
	return len(r.Formats) > 0 && !r.Partial && !r.torn && r.holes == 0
}

// escaped reports whether a run in which something else failed shows that none of the sought failures
// happened. Each test that they name must have passed. Sought failures that name no test must not
// be in the log, and nothing may have ended the job before they could happen; when none of the
// sought failures names a test, the run shows nothing.
func (r *Report) escaped(sought []Signature, group string) bool {
	shown, nameless := false, false
	for _, s := range sought {
		switch {
		case s.Test == "":
			nameless = true
		case !r.endedWell(s.Test, cmp.Or(s.Group, group)):
			return false
		default:
			shown = true
		}
	}
	if nameless && (len(r.Unfinished()) > 0 ||
		slices.ContainsFunc(r.Failures, func(f Failure) bool { return f.Kind != KindTest && f.Kind != KindLog })) {
		return false
	}
	return shown
}

// endedWell reports whether a test is known to have passed; its group may have another
// name in this run.
func (r *Report) endedWell(test, group string) bool {
	v := r.Verdict(test, group)
	if v == TestNotRun && group != "" {
		v = r.Verdict(test, "")
	}
	return v == TestPassed
}
