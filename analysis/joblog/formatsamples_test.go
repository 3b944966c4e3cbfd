package joblog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mozci/mozci/analysis/joblog"
)

// sample is a log of a format, and what it says.
type sample struct {
	file     string
	format   joblog.Format
	failures string // line kind status test [subtest]
	partial  string
	verdicts map[string]joblog.TestVerdict
}

var pytestVerdicts = map[string]joblog.TestVerdict{
	"tests/test_a.py::test_fail": fail, "tests/test_a.py::TestX::test_p[a b - c]": fail,
	`tests/test_a.py::TestX::test_p[x]y[z]`: fail,
	"tests/test_a.py::test_err":             fail, "tests/test_a.py::test_td": fail,
	"tests/test_a.py::TestU::test_sub": fail,
	"tests/test_a.py::test_none":       unknown,
}

// pytestVerbose is what -v adds: which tests passed.
var pytestVerbose = map[string]joblog.TestVerdict{
	"tests/test_a.py::test_ok": pass, `tests/test_a.py::TestX::test_p[\xfc]`: pass,
	"tests/test_a.py::test_skip": notRun, "tests/test_a.py::test_xf": notRun,
	"tests/test_a.py::test_td": fail, "tests/test_a.py::TestU::test_sub": fail,
}

var samples = []sample{
	{"pytest_v.log", joblog.Pytest, `99 test FAIL tests/test_a.py::test_fail
100 test FAIL tests/test_a.py::TestX::test_p[a b - c]
101 test FAIL tests/test_a.py::TestX::test_p[x]y[z]
102 test FAIL tests/test_a.py::test_xp
103 test FAIL tests/test_a.py::TestU::test_sub (i=1)
104 test ERROR tests/test_a.py::test_err
105 test ERROR tests/test_a.py::test_td`, "", pytestVerbose},
	{"pytest_q.log", joblog.Pytest, `74 test FAIL tests/test_a.py::test_fail
75 test FAIL tests/test_a.py::TestX::test_p[a b - c]
76 test FAIL tests/test_a.py::TestX::test_p[x]y[z]
77 test FAIL tests/test_a.py::test_xp
78 test FAIL tests/test_a.py::TestU::test_sub (i=1)
79 test ERROR tests/test_a.py::test_err
80 test ERROR tests/test_a.py::test_td`, "", pytestVerdicts},
	{"pytest_xdist.log", joblog.Pytest, `121 test FAIL tests/test_a.py::test_fail
122 test FAIL tests/test_a.py::TestX::test_p[a b - c]
123 test FAIL tests/test_a.py::TestX::test_p[x]y[z]
124 test FAIL tests/test_a.py::TestU::test_sub (i='1')
125 test FAIL tests/test_a.py::test_xp
126 test ERROR tests/test_a.py::test_err
127 test ERROR tests/test_a.py::test_td`, "", pytestVerbose},
	{
		"pytest_xcrash.log", joblog.Pytest, "40 crash CRASH crash_test.py::test_2", "",
		map[string]joblog.TestVerdict{
			"crash_test.py::test_1": pass, "crash_test.py::test_2": fail,
			"crash_test.py::test_3": pass,
		},
	},
	{
		"pytest_crash.log", joblog.Pytest, "9 crash CRASH crash_test.py::test_2", "crashed before the last line",
		map[string]joblog.TestVerdict{"crash_test.py::test_1": pass, "crash_test.py::test_3": unknown},
	},
	{"pytest_nosummary.log", joblog.Pytest, `10 test ERROR tests/test_a.py::test_err
18 test ERROR tests/test_a.py::test_td
28 test FAIL tests/test_a.py::test_fail
41 test FAIL tests/test_a.py::TestX::test_p[a b - c]
54 test FAIL tests/test_a.py::TestX::test_p[x]y[z]
67 test FAIL test_xp
69 test FAIL tests/test_a.py::TestU::test_sub (i=1)`, "", map[string]joblog.TestVerdict{"tests/test_a.py::test_fail": fail, "tests/test_a.py::test_ok": unknown}},
	{"pytest_s.log", joblog.Pytest, `101 test FAIL tests/test_a.py::test_fail
102 test FAIL tests/test_a.py::TestX::test_p[a b - c]
103 test FAIL tests/test_a.py::TestX::test_p[x]y[z]
104 test FAIL tests/test_a.py::test_xp
105 test FAIL tests/test_a.py::TestU::test_sub (i=1)
106 test ERROR tests/test_a.py::test_err
107 test ERROR tests/test_a.py::test_td`, "", pytestVerbose},
	{
		"pytest_collect.log", joblog.Pytest, "19 test ERROR tests/test_b.py", "",
		map[string]joblog.TestVerdict{"tests/test_b.py": fail, "tests/test_a.py::test_ok": unknown},
	},
	{"go.log", joblog.GoTest, `1 test FAIL TestFail
5 test FAIL TestFail/sub_one
9 test FAIL TestPanic
28 timeout TIMEOUT TestHang
62 build FAIL
65 test FAIL
66 crash CRASH`, "", map[string]joblog.TestVerdict{
		"TestFail": fail, "ex.org/m/a.TestFail/sub_one": fail, "ex.org/m/c.TestHang": fail, "ex.org/m/h": pass,
		"ex.org/m/g": fail, "ex.org/m/e": notRun, "TestA": unknown,
	}},
	{"go_v.log", joblog.GoTest, `10 test FAIL TestFail
11 test FAIL TestFail/sub_one
29 test FAIL TestPanic
51 timeout TIMEOUT TestHang
85 build FAIL
88 test FAIL
92 crash CRASH TestGo`, "", map[string]joblog.TestVerdict{
		"TestOK": pass, "TestFail/ok": pass, "TestSkip": notRun, "TestPar": pass, "TestPar/p": pass,
		"ex.org/m/h.TestA": pass, "TestA": pass, "TestGo": fail, "TestLater": unknown,
		"ex.org/m/b.TestA": pass, "ex.org/m/f": fail,
	}},
	{"go_json.log", joblog.GoTest, `16 test FAIL TestFail/sub_one
22 test FAIL TestFail
70 test FAIL TestPanic
85 build FAIL
92 test FAIL
108 crash CRASH TestGo
151 timeout TIMEOUT TestHang`, "", map[string]joblog.TestVerdict{
		"TestOK": pass, "TestFail/ok": pass, "TestSkip": notRun, "ex.org/m/h.TestA": pass, "ex.org/m/c.TestHang": fail,
		"TestZ": unknown,
	}},
	{"go_ok.log", joblog.GoTest, "", "", map[string]joblog.TestVerdict{
		"ex.org/m/h": pass, "ex.org/m/e": notRun,
		"TestA": unknown,
	}},
	{"cargo.log", joblog.Cargo, `8 test FAIL tests::bad
53 crash CRASH
57 test FAIL src/lib.rs - f (line 1)`, "died before its result", map[string]joblog.TestVerdict{
		"tests::ok": pass, "tests::bad": fail, "tests::ign": notRun, "tests::sp": pass, "t": unknown,
		"src/lib.rs - f (line 1)": fail,
	}},
	{
		"cargo_q.log", joblog.Cargo, "4 test FAIL tests::bad", "",
		map[string]joblog.TestVerdict{"tests::bad": fail, "tests::ok": unknown},
	},
	{
		"cargo_nc.log", joblog.Cargo, "30 test FAIL tests::bad", "",
		map[string]joblog.TestVerdict{"tests::bad": fail, "tests::ok": pass, "tests::sp": pass, "tests::ign": notRun},
	},
	{"nextest.log", joblog.Cargo, `6 test FAIL tests::breaks
31 test FAIL never
33 crash CRASH segv
36 timeout TIMEOUT hangs`, "", map[string]joblog.TestVerdict{"tests::adds": pass, "demo tests::breaks": fail, "flaky": pass, "never": fail, "segv": fail, "hangs": fail, "leaks": pass}},
	{"ctest.log", joblog.CTest, `22 test NOT RUN bad
24 timeout TIMEOUT slow
26 crash CRASH crash
59 test NOT RUN missing
65 test FAIL g`, "", map[string]joblog.TestVerdict{"good": pass, "bad": fail, "slow": fail, "skip": notRun, "dis": notRun, "g": fail, "other": unknown}},
	{
		"gtest.log", joblog.GTest, "13 test FAIL A.bad\n37 test FAIL I/P.p/1", "",
		map[string]joblog.TestVerdict{
			"A.ok": pass, "A.bad": fail, "B.skip": notRun, "I/P.p/0": pass, "I/P.p/1": fail,
			"C.DISABLED_x": unknown,
		},
	},
	{
		"gtest_crash.log", joblog.GTest, "13 test FAIL A.bad\n24 test  Z.crash", "did not end: Z.crash",
		map[string]joblog.TestVerdict{"A.ok": pass, "Z.crash": unknown, "I/P.p/0": unknown},
	},
	{"jest.log", joblog.Jest, `16 test FAIL src/b.test.ts queue › with items › pushes ünïcode
32 test FAIL src/c.test.js`, "", map[string]joblog.TestVerdict{
		"src/a.test.js": pass, "math › adds": pass, "src/a.test.js › math › adds": pass, "math › subtracts": notRun,
		"src/b.test.ts": fail, "queue › with items › pops": pass,
		"queue › with items › pushes ünïcode": fail, "src/c.test.js": fail,
	}},
	{
		"tap12.log", joblog.TAP, "3 test FAIL reads", "",
		map[string]joblog.TestVerdict{"opens": pass, "reads": fail, "test 3": notRun},
	},
	{
		"tap14.log", joblog.TAP, "9 test FAIL bar.tap > object.isBar should return true\n18 test FAIL bar.tap", "",
		map[string]joblog.TestVerdict{
			"foo.tap": pass, "foo.tap > this passed": pass, "bar.tap > object should be a Bar": pass,
			"bar.tap > object can bar bears": pass, "later": notRun, "planned": notRun,
		},
	},
	{"node_tap.log", joblog.TAP, `8 test FAIL bad # hash
35 test FAIL parent > child
60 test FAIL parent
97 test FAIL suite > out
124 test FAIL suite`, "", map[string]joblog.TestVerdict{"ok": pass, "parent > fine": pass, "parent > child": fail, "sk": notRun, "td": notRun, "suite > in": pass, "suite > out": fail}},
	{"maven.log", joblog.Maven, "10 test FAIL com.example.FooTest.testBar\n" +
		"15 test ERROR com.example.FooTest.testBoom(int)[2]", "", map[string]joblog.TestVerdict{
		"com.example.FooTest#testBar": fail, "com.example.FooTest": fail, "com.example.BarTest": pass,
		"com.example.SkipTest": notRun, "com.example.FooTest.testOther": unknown,
	}},
	{
		"maven2.log", joblog.Maven, "6 test FAIL com.example.OldTest.testOne", "",
		map[string]joblog.TestVerdict{"com.example.OldTest": fail, "com.example.GoodTest": pass},
	},
	{
		"maven_flaky.log", joblog.Maven, "", "",
		map[string]joblog.TestVerdict{"com.example.FlakyTest": pass, "com.example.FlakyTest.sometimes": pass},
	},
	{"gradle.log", joblog.Gradle, "8 test FAIL com.example.FooTest > testBar()\n" +
		"12 test FAIL com.example.FooTest > sum(int) > [2] 3", "", map[string]joblog.TestVerdict{
		"com.example.FooTest.testBar": fail, "com.example.FooTest > testOk()": pass, "com.example.FooTest#testOk": pass,
		"com.example.FooTest.later()": notRun, "com.example.FooTest": unknown,
	}},
	{"gradle_compile.log", joblog.Gradle, "10 build FAIL", "", nil},
	{
		"surefire.xml", joblog.JUnit, "7 test ERROR com.example.RerunTest.never\n17 test FAIL b.two", "",
		map[string]joblog.TestVerdict{
			"com.example.RerunTest.flaky": pass, "com.example.RerunTest.never": fail,
			"com.example.RerunTest.later": notRun,
			"com.example.RerunTest.fine":  pass, "other": notRun,
		},
	},
	{
		"junit.xml", joblog.JUnit, "1 test FAIL t.a.test_x", "",
		map[string]joblog.TestVerdict{"t.a.test_x": fail, "t.a.test_y": pass},
	},
	{
		"node.xml", joblog.JUnit, "4 test FAIL test.bad # hash\n35 test FAIL test.child\n80 test FAIL test.out", "",
		map[string]joblog.TestVerdict{"test.ok": pass, "test.sk": notRun, "test.td": notRun},
	},
	{
		"ctest.xml", joblog.JUnit, "18 test FAIL slow\n22 test FAIL crash\n37 test FAIL g", "",
		map[string]joblog.TestVerdict{"good": pass, "bad": notRun, "skip": notRun, "dis": notRun},
	},
	{
		"gtest.xml", joblog.JUnit, "5 test FAIL A.bad\n28 test FAIL I/P.p/1", "",
		map[string]joblog.TestVerdict{"A.ok": pass, "B.skip": notRun, "C.DISABLED_x": notRun},
	},
	{
		"wptreport.json", joblog.WPTReport, "1 test FAIL /xhr/a.html s1\n1 test TIMEOUT /xhr/a.html", "",
		map[string]joblog.TestVerdict{"/xhr/a.html": fail, "/xhr/b.html": pass, "/xhr/c.html": notRun},
	},
	{"u16le.log", joblog.PlainText, "1 test FAIL a/test_z.js\n3 build ", "", nil},
	{"bom_errorsummary.log", joblog.ErrorSummary, "3 test FAIL a/test_x.js", "", nil},
}

func sampled(r *joblog.Report) string {
	var out []string
	for _, f := range r.Failures {
		out = append(out, strings.TrimRight(fmt.Sprint(f.Line, " ", f.Kind, " ", f.Status, " ",
			strings.TrimSpace(f.Test+" "+f.Subtest)), " "))
	}
	return strings.Join(out, "\n")
}

func open(t *testing.T, s sample) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", s.file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
