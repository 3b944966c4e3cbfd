package joblog

import (
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// Fingerprint is equal for the same failure in two runs, and differs for different failures. It
// consists of the kind, the test without what differs between machines and platforms
// (CanonicalTest), and the message without addresses, line numbers, durations, ports, process ids,
// counts and the folders of machines. It is readable text:
//
//	test | dom/a/test_a.html | expected N, got N
//	crash | dom/t.html | [@ mozilla::F]
//
// A crash with a signature is known by that alone, because only some logs give its reason too.
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

// normalise replaces the parts of a message that differ from run to run: numbers that stand alone
// become N, hexadecimal numbers and ids X, white space becomes one space, and the path of a file
// on a machine becomes its path in the source tree or in the job's folder.
//
//	[Child 1234, Main Thread] at a.cpp:12    [Child N, Main Thread] at a.cpp:N
//	3 window(s) are left, 4096 bytes leaked    N window(s) are left, N bytes leaked
//	http://localhost:8888/ in 0x7f3a, 12.5ms   http://localhost:N/ in X, Nms
//	file:///Z:/task_16/build/tests/xpcshell/head.js:12   xpcshell/head.js:N
//
// It goes from word to word, where a word is a run of letters and digits; everything else is copied. A
// word stays as it is when it belongs to a name ("test_12") or says which error it was ("Errno 13").
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

// alnum reports whether a byte is of a word. Bytes of characters beyond ASCII are.
func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// joins reports whether a word after this character is part of a name, as in test_12.
func joins(c byte) bool { return c == '_' }

// idSize is the length of an id like 11111111-2222-3333-4444-555555555555.
const idSize = 36

// ofTask reports whether a number is that of the folder that a worker makes for a task, as in
// task_1690000001. It differs from run to run, although an underscore stands before it.
func ofTask(before, number string) bool {
	return digits(number) == len(number) && strings.HasSuffix(before, "task_")
}

// isCode reports whether a number says which error it was, and so must stay: "[Errno 13]", "HTTP
// Error 404". Such a number has three digits at most.
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

// run is the number of bytes of the letters and digits that s begins with. The fraction of a number
// belongs to them: "12.5ms to" has 6, "1.2.3" has 3, and "a.5" has 1, since a is no number.
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

// token is a word without what differs from run to run. With dot, a dot follows it: a number is then
// the name of a file, such as 1830206.html, and stays.
//
//	4096              N      01T12                     NTN    (of 2026-01-01T12:00:00)
//	12.5ms            Nms    0x7f3a                    X
//	deadbeef1         X      VWp3gTNhSqOQ8QqgLJzTyA    X
//
// "test1" and "3rd" stay.
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

// unit reports whether a text is what may follow a number of which only the kind matters: "ms" in "12ms".
// Nothing is one too, for a number with a fraction.
func unit(s string) bool {
	switch s {
	case "", "ms", "s", "Z", "us", "ns", "px", "kB", "KB", "MB", "MiB", "GiB", "GB", "B", "x", "fps", "app":
		return true
	}
	return false
}

// hexadecimal reports whether a word is eight hexadecimal digits or more, at least one of them 0 to
// 9: "deadbeef1" is, "facade" and "defaced" are not.
func hexadecimal(w string) bool {
	if len(w) < 8 || !strings.ContainsAny(w, "0123456789") {
		return false
	}
	return strings.Trim(w, "0123456789abcdefABCDEF") == ""
}

// slug reports whether a word looks like an id of Taskcluster: 16 characters or more, with capital
// letters, small ones, and digits in at least two places: "VWp3gTNhSqOQ8QqgLJzTyA". The name of a class,
// such as "WebGL2RenderingContext", has digits in one place only.
func slug(w string) bool {
	return len(w) >= 16 && strings.ContainsAny(w, "0123456789") && strings.ToUpper(w) != w &&
		strings.ToLower(w) != w && groups(w) > 1
}

// groups is the number of groups of digits in a word: 2 in "a12b3".
func groups(w string) int {
	n := 0
	for i := range len(w) {
		if w[i] >= '0' && w[i] <= '9' && (i == 0 || w[i-1] < '0' || w[i-1] > '9') {
			n++
		}
	}
	return n
}

// noTerm are names that are useless for a search, since too many failures have them.
var noTerm = []string{
	"automation.py", "Shutdown", "mozalloc_abort", "mozalloc_abort(char const*)", "leakcheck", "LeakSanitizer",
	"Last test finished", "ShutdownLeaks",
	"mozalloc_handle_oom", "undefined", "None", "application crashed", "remoteautomation.py",
	"Main app process exited normally", "(finished)",
}

// SearchTerm is the text to search known bugs for: the signature of a crash, the leaked objects, or
// the last part of the test's name; or the test and the message when these are useless. It has at
// most 100 bytes, as Treeherder's search terms have. It is "test_a.html" for a failure of
// "dom/a/test_a.html", and "nsA, nsB" for "tab 1234 bytes leaked (nsA, nsB)".
func (f Failure) SearchTerm() string {
	for _, term := range []string{f.crashTerm(), f.leakTerm(), f.testTerm()} {
		if len(term) > 2 && !listed(noTerm, term) {
			return clip.Text(term, 100)
		}
	}
	return clip.Text(strings.TrimSpace(strings.Trim(f.Test+" | "+f.Message, " |")), 100)
}

// crashTerm is a crash's signature; empty for any other failure.
func (f Failure) crashTerm() string {
	if f.Kind != KindCrash {
		return ""
	}
	return f.Signature
}

// leakTerm is what leaked: "nsA, nsB" of "1234 bytes leaked (nsA, nsB)", and "moz_xmalloc, a" of
// LeakSanitizer's "leak at moz_xmalloc, a". It is empty for any other failure.
func (f Failure) leakTerm() string {
	_, objects, ok := strings.Cut(f.Message, " bytes leaked (")
	if ok {
		return strings.TrimSuffix(objects, ")")
	}
	_, frames, _ := strings.Cut(f.Message, "leak at ")
	return frames
}

// testTerm is the name of the test's file without folders: "a.html" of "layout/a.html == layout/b.html",
// and "test_b.py" of "marionette/test_b.py TestB.test_c".
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
