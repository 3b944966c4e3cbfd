package joblog

import "strings"

// CanonicalTest is the one name of a test, however a harness, platform or machine spells it: its
// path in the source tree, with slashes. The name of a web platform test is its id, which begins
// with a slash.
//
//	chrome://mochitests/content/browser/browser/base/x.js   browser/base/x.js
//	http://mochi.test:8888/tests/dom/a.html                 dom/a.html
//	/home/u/build/xpcshell/tests/netwerk/test_socks.js      netwerk/test_socks.js
//	c:\build\xpcshell\tests\services\test_x.js              services/test_x.js
//	file:///z:/build/tests/reftest/tests/layout/a.html      layout/a.html
//	xpcshell.toml:netwerk/test_socks.js                     netwerk/test_socks.js
//	/tests/layout/base/test_flush.html                      layout/base/test_flush.html
//	testing/web-platform/tests/css/a.html?b                 /css/a.html?b
//	testing/web-platform/mozilla/tests/dom/a.html           /_mozilla/dom/a.html
//	== layout/a.html layout/b.html                          layout/a.html == layout/b.html
//
// A question mark and what follows it belong to the name, because variants are tests of their own.
// A reftest keeps its "== reference", a Python test its "Class.method". A name that is no path, or
// whose folder is not known, stays as it is.
func CanonicalTest(test string) string {
	if ordinary(test) {
		return test
	}
	for range mostFolded {
		name := unfolded(test)
		if name == test {
			break
		}
		test = name // which may be folded once more: "a.toml:b.toml:c.js", "/tests/tests/…"
	}
	return test
}

// ordinary reports whether a name is already a path in the source tree, as most are. It looks at each
// byte once and allocates nothing, since it is called for each line about a test. It may be false for a
// name that is canonical all the same, such as "js/x.js"; then unfolded finds that nothing changes.
//
//	browser/base/x.js     yes
//	/tests/base/x.js      no: a slash or a dot begins it, or a part of it
//	tests/base/x.js       no: its first folder may be that of a package of tests
//	Suite.Test            yes: there is no folder
func ordinary(test string) bool {
	first := -1
	for i := range len(test) {
		switch c := test[i]; c {
		case ' ', '\t', '\n', '\r', '\\', ':', '?':
			return false
		case '/', '.':
			if i == 0 || test[i-1] == '/' {
				return false
			}
			if c == '/' && first < 0 {
				first = i
			}
		default:
			if c < ' ' || c >= 0x80 {
				return false
			}
		}
	}
	if first < 0 {
		return true
	}
	switch test[:first] {
	case "build", "tests", "testing", "web-platform", "jit-test", "js", "jsreftest", "reftest", "xpcshell", "mochitest":
		return false
	}
	return true
}

// mostFolded is the maximum number of layers that are taken off a name; real names have two.
const mostFolded = 8

// unfolded takes one layer off a name. A reftest has two addresses and a Python test a method; only
// addresses are located:
//
//	== layout/a.html layout/b.html     layout/a.html == layout/b.html
//	testing\a\test_x.py TestX.test_a   testing/a/test_x.py TestX.test_a
func unfolded(test string) string {
	test = strings.TrimSuffix(strings.TrimSpace(test), " (finished)")
	if !strings.Contains(test, " ") {
		return located(test)
	}
	for _, op := range comparisons {
		if pair, ok := strings.CutPrefix(test, op+" "); ok { // as the manifest has it
			if left, right, ok := strings.Cut(pair, " "); ok {
				return located(left) + " " + op + " " + located(right)
			}
		}
		if left, right, ok := strings.Cut(test, " "+op+" "); ok {
			return located(left) + " " + op + " " + located(right)
		}
	}
	if i := strings.Index(test, ".py "); i >= 0 {
		return located(test[:i+len(".py")]) + test[i+len(".py"):]
	}
	return located(test)
}

// comparisons are what reftests do with two pages.
var comparisons = []string{"==", "!=", "print"}

// fileOf is the part of a canonical name that names a file: layout/a.html for the reftest "layout/a.html
// == layout/b.html", and a/test_x.py for the Python test "a/test_x.py TestX.test_a".
func fileOf(name string) string {
	if !strings.Contains(name, " ") {
		return name
	}
	for _, op := range comparisons {
		if left, _, ok := strings.Cut(name, " "+op+" "); ok {
			return left
		}
	}
	if i := strings.Index(name, ".py "); i >= 0 {
		return name[:i+len(".py")]
	}
	return name
}
