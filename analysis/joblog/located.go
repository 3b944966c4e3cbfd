package joblog

import (
	"path"
	"strings"
)

// located is the canonical name of one address or path. It takes off, in this order:
//
//	a\b.js:12:3                                          a/b.js         withoutLine
//	xpcshell.toml:a/b.js                                 a/b.js
//	file:///c:/x/jsreftest.html?test=ecma_3/a.js;module  ecma_3/a.js
//	chrome://mochitests/content/browser/a/b.js           a/b.js         withoutFlavour
//	http://mochi.test:8888/tests/a.html?b                a.html?b       served
//	about:blank                                          the same
//	/home/u/build/xpcshell/tests/a/b.js                  a/b.js         inTree
//
// A query is kept, since variants are tests of their own.
func located(t string) string {
	at, query := t, ""
	if i := strings.IndexByte(t, '?'); i >= 0 {
		at, query = t[:i], t[i:]
	}
	at = withoutLine(strings.ReplaceAll(at, `\`, "/"))
	for _, ext := range []string{".toml:", ".ini:", ".list:"} {
		if i := strings.LastIndex(at, ext); i >= 0 {
			return located(at[i+len(ext):] + query)
		}
	}
	if strings.HasSuffix(at, "jsreftest.html") {
		if script, ok := strings.CutPrefix(query, "?test="); ok {
			if i := strings.IndexAny(script, ";&"); i >= 0 {
				script = script[:i]
			}
			return located(script)
		}
	}
	for _, home := range []string{"chrome://mochitests/content/", "chrome://mochikit/content/"} {
		if in, ok := strings.CutPrefix(at, home); ok {
			return clean(withoutFlavour(in)) + query
		}
	}
	switch {
	case strings.HasPrefix(at, "file:/"):
		at = "/" + strings.TrimLeft(at[len("file:"):], "/")
	case strings.HasPrefix(at, "http://"), strings.HasPrefix(at, "https://"):
		return served(at) + query
	case strings.Contains(at, "://"):
		return at + query
	}
	return inTree(clean(at)) + query
}

// withoutLine is a file without the line and the column that a linter or an exception wrote after
// it: "a.js" for "a.js:12:3". Two numbers at most are cut off, and only from a name with a dot, so that the
// port of "localhost:8888" stays.
func withoutLine(at string) string {
	for range 2 {
		i := strings.LastIndexByte(at, ':')
		if i <= 0 || i+1 == len(at) || digits(at[i+1:]) < len(at)-i-1 || !strings.Contains(base(at[:i]), ".") {
			break
		}
		at = at[:i]
	}
	return at
}

// flavours are the folders under which a mochitest's own folder is served.
var flavours = []string{
	"browser/", "chrome/", "a11y/", "tests/", "plain/", "metro/", "webapprtChrome/",
	"webapprtContent/",
}

// withoutFlavour cuts off one flavour: "browser/browser/base/x.js" gives "browser/base/x.js". The second
// "browser" is a folder of the source tree.
func withoutFlavour(in string) string {
	for _, f := range flavours {
		if rest, ok := strings.CutPrefix(in, f); ok {
			return rest
		}
	}
	return in
}

// served is the name of a file on an HTTP server. The host and the port do not matter, nor does the
// folder that reftests make for each run, which is a number of ten digits or more.
//
//	http://mochi.test:8888/tests/dom/a.html             dom/a.html
//	http://mochi.test:8888/browser/dom/b.js             dom/b.js
//	http://localhost:4444/1285616087471/1/330010-1.xul  /1/330010-1.xul, of a folder that is not known
//	http://web-platform.test:8000/css/a.html            /css/a.html, the id of a web platform test
func served(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, in, _ := strings.Cut(rest, "/")
	in = clean(in)
	if first, after, ok := strings.Cut(in, "/"); ok && len(first) >= 10 && digits(first) == len(first) {
		in = after
	}
	if !strings.Contains(host, "web-platform.test") {
		for _, f := range []string{"browser/", "chrome/", "a11y/"} {
			if rest, ok := strings.CutPrefix(in, f); ok {
				return rest
			}
		}
	}
	return inTree("/" + in)
}

// clean removes "./", "//" and "a/.." from a path. A slash at the end stays, unlike with path.Clean: the
// manifest of a web platform test is a folder.
func clean(p string) string {
	p = strings.TrimPrefix(p, "./")
	if !strings.Contains(p, "//") && !strings.Contains(p, "/./") && !strings.Contains(p, "/../") {
		return p
	}
	slash := ""
	if strings.HasSuffix(p, "/") {
		slash = "/"
	}
	return strings.TrimSuffix(path.Clean(p), "/") + slash
}

// suites are the folders in which packages of tests and source trees keep the tests of a suite, with
// the text that replaces the folder in a canonical name. A longer folder comes before one that it begins
// with, because the first that matches counts.
var suites = []struct{ folder, name string }{
	{"web-platform/mozilla/tests/", "/_mozilla/"},
	{"web-platform/tests/", "/"},
	{"jit-test/jit-test/tests/", "js/src/jit-test/tests/"},
	{"jsreftest/tests/js/src/tests/", ""},
	{"jsreftest/tests/", ""},
	{"reftest/tests/", ""},
	{"xpcshell/tests/", ""},
	{"mochitest/tests/", ""},
	{"mochitest/browser/", ""},
	{"mochitest/chrome/", ""},
	{"mochitest/a11y/", ""},
}

// inTree is a path without the machine's folders before the source tree. An absolute path that is not of a
// machine is an id of a web platform test, except below "/tests/", where mochitests are served.
//
//	Z:/task_1/build/src/browser/a.js                   browser/a.js       behind "/build/src/"
//	/builds/worker/checkouts/gecko/dom/b.html          dom/b.html         behind "/checkouts/gecko/"
//	/home/u/build/tests/reftest/tests/layout/c.html    layout/c.html      packaged
//	/tests/dom/d.html                                  dom/d.html         behind "/tests/"
//	/css/css-grid/tests/e.html                         the same           an id
func inTree(p string) string {
	if len(p) > 2 && p[1] == ':' && p[2] == '/' { // a drive
		p = "/" + p
	}
	if !strings.HasPrefix(p, "/") {
		return inSuite(p)
	}
	root := machine(p)
	if root {
		for _, tree := range []string{"/checkouts/gecko/", "/build/src/"} {
			if i := strings.LastIndex(p, tree); i >= 0 {
				return inSuite(p[i+len(tree):])
			}
		}
		if in, ok := packaged(p); ok {
			return in
		}
	}
	before, in, ok := strings.Cut(p, "/tests/")
	if !ok || before != "" && (!root || !strings.Contains(before, "build")) {
		return p
	}
	return inSuite(in)
}

// packaged is the canonical name of a file in the folder of a suite. It takes the first such folder
// of the path, because tests have folders with these names too: in
// "/home/u/build/web-platform/tests/css/reftest/tests/a.html" the suite is "web-platform/tests/", and
// the name "/css/reftest/tests/a.html". It returns false when no suite's folder is in the path.
func packaged(p string) (string, bool) {
	first, name, in := len(p), "", ""
	for _, s := range suites {
		if i := strings.Index(p, "/"+s.folder); i >= 0 && i < first {
			first, name, in = i, s.name, p[i+1+len(s.folder):]
		}
	}
	return inSuite(name + in), first < len(p)
}

// inSuite is the canonical name of a path within the source tree or a package of tests. A path that is
// already in the source tree stays as it is.
//
//	build/tests/xpcshell/tests/netwerk/a.js        netwerk/a.js
//	testing/web-platform/tests/css/b.html          /css/b.html
//	jit-test/tests/basic/c.js                      js/src/jit-test/tests/basic/c.js
//	tests/test_d.py                                tests/test_d.py: no suite's folder follows
func inSuite(p string) string {
	in := p
	for _, top := range []string{"build/", "tests/"} {
		in = strings.TrimPrefix(in, top)
	}
	if strings.HasPrefix(p, "testing/web-platform/") {
		in = strings.TrimPrefix(p, "testing/")
	}
	for _, s := range suites {
		if rest, ok := strings.CutPrefix(in, s.folder); ok {
			return inSuite(s.name + rest)
		}
	}
	if rest, ok := strings.CutPrefix(p, "jit-test/tests/"); ok {
		return "js/src/jit-test/tests/" + rest
	}
	if rest, ok := strings.CutPrefix(p, "js/src/tests/"); ok { // jsreftest.html names scripts by the path below
		return rest
	}
	return p
}

// machine reports whether an absolute path names a file on some machine, and is not the id of a web
// platform test: "/builds/worker/a.js" does, "/c:/a.js" too, "/css/a.html" and "/a.js" do not.
func machine(p string) bool {
	first, _, ok := strings.Cut(p[1:], "/")
	if !ok {
		return false
	}
	switch first {
	case "builds", "build", "home", "Users", "opt", "tmp", "var", "private", "data", "mnt", "sdcard", "storage",
		"root", "work", "workspace", "worker", "usr", "srv":
		return true
	}
	return strings.HasSuffix(first, ":") || strings.Contains(p, "/build/")
}
