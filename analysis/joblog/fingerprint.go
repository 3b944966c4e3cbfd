package joblog

import (
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// Fingerprint is equal for the same failure in two runs, and differs for
// different ones: its kind, its test without what differs between machines and
// platforms (CanonicalTest), and its message without addresses, line numbers,
// durations, ports, process ids, counts and the folders of machines. It is text
// that people can read.
func (f Failure) Fingerprint() string {
	message := f.Message
	if f.Kind == KindCrash && f.Signature != "" {
		message = "[@ " + f.Signature + "]"
	}
	if f.Subtest != "" {
		message = f.Subtest + " - " + message
	}
	return string(f.Kind) + " | " + CanonicalTest(f.Test) + " | " + normalise(message)
}

// normalise takes out of a message what differs from run to run: numbers that
// stand alone become N, hexadecimal ones and ids X, runs of white space one
// space, and a file of a machine is named by its path in the source tree or in
// the folder of the job.
//
//	[Child 1234, Main Thread] at a.cpp:12    [Child N, Main Thread] at a.cpp:N
//	3 window(s) are left, 4096 bytes leaked    N window(s) are left, N bytes leaked
//	http://localhost:8888/ in 0x7f3a, 12.5ms   http://localhost:N/ in X, Nms
//	file:///Z:/task_16/build/tests/xpcshell/head.js:12   xpcshell/head.js:N
func normalise(message string) string {
	message = placeless(message)
	var out strings.Builder
	space := false
	for i := 0; i < len(message); {
		c := message[i]
		if c <= ' ' {
			space = out.Len() > 0
			i++
			continue
		}
		if space {
			out.WriteByte(' ')
			space = false
		}
		n := 1
		if alnum(c) {
			n = run(message[i:])
			if len(message)-i >= idSize && minidump(message[i:i+idSize]) &&
				(i+idSize == len(message) || !alnum(message[i+idSize])) {
				n = idSize
				out.WriteByte('X')
			} else if i > 0 && joins(message[i-1]) && !ofTask(message[:i], message[i:i+n]) ||
				isCode(message[:i], message[i:i+n]) {
				out.WriteString(message[i : i+n])
			} else {
				out.WriteString(token(message[i:i+n], i+n < len(message) && message[i+n] == '.'))
			}
		} else {
			out.WriteByte(c)
		}
		i += n
	}
	return out.String()
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// joins: a number after it is part of a name.
func joins(c byte) bool { return c == '_' }

// idSize is the length of an id like 11111111-2222-3333-4444-555555555555.
const idSize = 36

// ofTask: the number of the folder that a worker makes for a task, "task_1690000001".
func ofTask(before, number string) bool {
	return digits(number) == len(number) && strings.HasSuffix(before, "task_")
}

// isCode: a number that says which error it was, and is the same each time:
// "[Errno 13]", "HTTP Error 404".
func isCode(before, number string) bool {
	if digits(number) != len(number) || len(number) > 3 {
		return false
	}
	for _, word := range []string{"Errno ", "HTTP Error ", "Return code: ", "exit code ", "exit status "} {
		if strings.HasSuffix(before, word) {
			return true
		}
	}
	return false
}

// run is how many letters and digits s begins with; the fraction of a number is
// part of it.
func run(s string) int {
	n := 0
	for n < len(s) && alnum(s[n]) {
		n++
	}
	if digits(s) == n && n+1 < len(s) && s[n] == '.' {
		if d := digits(s[n+1:]); d > 0 {
			n += 1 + d
			for n < len(s) && alnum(s[n]) {
				n++
			}
		}
	}
	return n
}

// token is a word without what differs from run to run. A number that begins a
// file's name ("1830206.html") is the name.
func token(w string, dot bool) string {
	d := digits(w)
	switch {
	case d == len(w):
		if dot {
			return w
		}
		return "N"
	case d > 0 && w[d] == 'T' && digits(w[d+1:]) == len(w)-d-1: // of a date and a time
		return "NTN"
	case strings.HasPrefix(w, "0x") || strings.HasPrefix(w, "0X"):
		return "X"
	case hexadecimal(w), slug(w):
		return "X"
	case d > 0 && unit(strings.TrimLeft(w[d:], ".0123456789")):
		return "N" + strings.TrimLeft(w[d:], ".0123456789")
	}
	return w
}

func unit(s string) bool {
	switch s {
	case "", "ms", "s", "Z", "us", "ns", "px", "kB", "KB", "MB", "MiB", "GiB", "GB", "B", "x", "fps", "app":
		return true
	}
	return false
}

// hexadecimal: eight hexadecimal digits or more, with a number among them.
func hexadecimal(w string) bool {
	if len(w) < 8 || !strings.ContainsAny(w, "0123456789") {
		return false
	}
	return strings.Trim(w, "0123456789abcdefABCDEF") == ""
}

// slug: a long word of capital letters, small ones and digits, as Taskcluster's
// ids are.
func slug(w string) bool {
	return len(w) >= 16 && strings.ContainsAny(w, "0123456789") && strings.ToUpper(w) != w &&
		strings.ToLower(w) != w && groups(w) > 1
}

// groups is how many groups of digits a word has.
func groups(w string) int {
	n := 0
	for i := range len(w) {
		if w[i] >= '0' && w[i] <= '9' && (i == 0 || w[i-1] < '0' || w[i-1] > '9') {
			n++
		}
	}
	return n
}

// noTerm are names that are not worth a search: half of all failures bear them.
var noTerm = []string{
	"automation.py", "Shutdown", "mozalloc_abort", "mozalloc_abort(char const*)", "leakcheck", "LeakSanitizer",
	"Last test finished", "ShutdownLeaks",
	"mozalloc_handle_oom", "undefined", "None", "application crashed", "remoteautomation.py",
	"Main app process exited normally", "(finished)",
}

// SearchTerm is what to look for among known bugs: the crash's signature, the
// leaked objects, or the last part of the test's name; the whole message where
// those say nothing. At most 100 characters.
func (f Failure) SearchTerm() string {
	for _, term := range []string{f.crashTerm(), f.leakTerm(), f.testTerm()} {
		if len(term) > 2 && !listed(noTerm, term) {
			return clip.Text(term, 100)
		}
	}
	return clip.Text(strings.TrimSpace(strings.Trim(f.Test+" | "+f.Message, " |")), 100)
}

func (f Failure) crashTerm() string {
	if f.Kind != KindCrash {
		return ""
	}
	return f.Signature
}

func (f Failure) leakTerm() string {
	_, objects, ok := strings.Cut(f.Message, " bytes leaked (")
	if ok {
		return strings.TrimSuffix(objects, ")")
	}
	_, frames, _ := strings.Cut(f.Message, "leak at ")
	return frames
}

func (f Failure) testTerm() string {
	test, _, _ := strings.Cut(f.Test, " == ")
	test, _, _ = strings.Cut(test, " != ")
	if file, _, ok := strings.Cut(test, ".py "); ok { // marionette: file.py Class.method
		test = file + ".py"
	}
	return test[strings.LastIndexAny(test, "/\\")+1:]
}

func listed(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
