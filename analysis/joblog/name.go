package joblog

import "strings"

// CanonicalTest is the name of a test without what differs between platforms,
// machines and harnesses: a path within the source tree, with slashes.
//
//	chrome://mochitests/content/browser/browser/base/x.js   browser/base/x.js
//	/home/u/build/xpcshell/tests/netwerk/test_socks.js      netwerk/test_socks.js
//	c:\build\xpcshell\tests\services\test_x.js              services/test_x.js
//	file:///z:/build/tests/reftest/tests/layout/a.html      layout/a.html
//	xpcshell.toml:netwerk/test_socks.js                     netwerk/test_socks.js
//	/tests/layout/base/test_flush.html                      layout/base/test_flush.html
//
// What an HTTP server served is named by the path alone. A reftest keeps its "== reference"; a test that is no path is as it was.
func CanonicalTest(test string) string {
	if left, ref, ok := strings.Cut(test, " "); ok { // reftest: url == ref
		op, right, ok := strings.Cut(ref, " ")
		if ok && (op == "==" || op == "!=") {
			return CanonicalTest(left) + " " + op + " " + CanonicalTest(right)
		}
	}
	t := strings.ReplaceAll(test, "\\", "/")
	if rest, ok := strings.CutPrefix(t, "chrome://mochitests/content/"); ok {
		for _, flavour := range []string{"browser/", "chrome/", "a11y/"} {
			if in, ok := strings.CutPrefix(rest, flavour); ok {
				return in
			}
		}
		return rest
	}
	if _, query, ok := strings.Cut(t, "jsreftest.html?test="); ok {
		return query
	}
	if manifest, path, ok := strings.Cut(t, ":"); ok && (strings.HasSuffix(manifest, ".toml") || strings.HasSuffix(manifest, ".ini")) {
		return path
	}
	if _, rest, ok := strings.Cut(t, "://"); ok && strings.HasPrefix(t, "http") {
		_, path, _ := strings.Cut(rest, "/") // whichever host and port served it
		t = "/" + path
	}
	absolute := strings.HasPrefix(t, "file://") || strings.HasPrefix(t, "/") || len(t) > 2 && t[1] == ':' && t[2] == '/'
	if !absolute {
		return t
	}
	root, in, ok := strings.Cut(t, "/tests/")
	if !ok || root != "" && !strings.Contains(root, "build") {
		return t
	}
	for _, suite := range []string{"reftest", "jsreftest", "xpcshell", "mochitest"} {
		if deeper, ok := strings.CutPrefix(in, suite+"/tests/"); ok {
			return deeper
		}
	}
	return in
}

// SameTest reports whether two names mean the same test.
func SameTest(a, b string) bool { return a == b || CanonicalTest(a) == CanonicalTest(b) }
