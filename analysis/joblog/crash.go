package joblog

import (
	"strings"
)

// crash reads a PROCESS-CRASH line. Its forms differ in the order of the parts; parseErrorLine
// lists them. The id of the minidump is left out, since it differs each time. Then two parts are left,
// and their words say which is the test; of more parts, all after the first are taken together.
//
//	dom/t.html | application crashed [@ f]            test, crash
//	SIGSEGV / SEGV_MAPERR [@ f] | dom/t.html          crash, test
//	MOZ_CRASH(x) | dom/t.html                         reason, test
//	dom/t.html | java.lang.Error: x at a.B(B.java:3)  test, exception
func crash(s string) Failure {
	parts := strings.Split(strings.TrimSpace(s), " | ")[1:]
	for i := range parts {
		parts[i] = strings.TrimSpace(strings.TrimSuffix(parts[i], " |"))
	}
	f := Failure{Kind: KindCrash, Status: crashStatus}
	if len(parts) > 1 && minidump(parts[0]) {
		parts = parts[1:]
	}
	switch {
	case len(parts) == 0:
		f.Message = s
	case len(parts) == 1:
		f.Message = parts[0]
	case crashed(parts[1]) && !crashed(parts[0]):
		f.Test, f.Message = parts[0], strings.Join(parts[1:], " | ")
	case crashed(parts[0]) || reason(parts[0]) && !javaException(parts[1]):
		f.Message, f.Test = parts[0], strings.Join(parts[1:], " | ")
	default: // a Java crash: where, and what
		f.Test, f.Message, f.Signature = parts[0], parts[1], parts[1]
	}
	if sig, ok := signature(f.Message); ok {
		f.Signature = sig
	}
	f.Signature = bareSignature(f.Signature)
	if strings.HasPrefix(f.Test, "pid: ") { // where no test is known
		f.Test = ""
	}
	return f
}

// minidump reports whether a part is the name of a minidump: a UUID of 36 characters, with its
// dashes at 8, 13, 18 and 23, or its file, such as
// "/tmp/11111111-2222-3333-4444-555555555555.dmp".
func minidump(s string) bool {
	s = strings.TrimSuffix(s[strings.LastIndexAny(s, "/\\")+1:], ".dmp")
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", rune(s[i])) {
			return false
		}
	}
	return true
}

// crashed reports whether a part describes the crash, and is not the name of the test: it has a
// signature, or is as harnesses wrote it without one, "application crashed (minidump found)".
func crashed(part string) bool {
	_, ok := signature(part)
	return ok || strings.HasPrefix(part, "application crashed")
}

// reason reports whether a part is the reason of a crash without a signature: "MOZ_CRASH(x)",
// "EXC_BAD_ACCESS", "SIGSEGV / SEGV_MAPERR". No test has such a name.
func reason(part string) bool {
	for _, p := range []string{"MOZ_", "SIG", "EXC_", "EXCEPTION_", "STATUS_", "Shutdown hanging", "0x"} {
		if strings.HasPrefix(part, p) {
			return true
		}
	}
	return strings.Contains(part, " / ")
}

// javaException reports whether a part is an exception of Java with the place it
// came from: "java.lang.RuntimeException: bad at a.b.C.d(C.java:1)".
func javaException(part string) bool {
	name, _, _ := strings.Cut(part, ":")
	name, _, _ = strings.Cut(name, " ")
	thrown := strings.HasSuffix(name, "Exception") || strings.HasSuffix(name, "Error")
	return strings.Contains(name, ".") && thrown || strings.Contains(part, ".java:") || strings.Contains(part, ".kt:")
}

// bareSignature is a signature without the "@ " that some programs leave in it, with single spaces,
// and empty when it says that there is none: "@ mozilla::F(int)" gives "mozilla::F(int)", "unknown top
// frame" gives "".
func bareSignature(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.TrimSpace(strings.TrimPrefix(s, "@"))
	if s == "unknown top frame" || s == "None" {
		return ""
	}
	return s
}

// javaSignature is the signature of a Java stack: its first two lines, the exception and the top
// frame. "java.lang.Error: x\n\tat a.B(B.java:3)\n\tat c" gives "java.lang.Error: x at a.B(B.java:3)", as
// a plain log has it in one line.
func javaSignature(stack string) string {
	first, rest, _ := strings.Cut(strings.TrimSpace(stack), "\n")
	second, _, _ := strings.Cut(rest, "\n")
	return bareSignature(first + " " + second)
}

// crashSignature is the signature of a crash in a structured log: its own, or that of its Java
// stack.
func crashSignature(signature, javaStack string) string {
	if s := bareSignature(signature); s != "" || javaStack == "" {
		return s
	}
	return javaSignature(javaStack)
}

// signature is the signature in the brackets at the end of a text: f in "[@ f]" or in " [f]", and
// nothing in "[None]". It returns false when there are no brackets. The last "[@ " counts, since the
// reason can have brackets too: "MOZ_CRASH(a [b]) [@ f]" gives "f".
func signature(s string) (string, bool) {
	if !strings.HasSuffix(s, "]") {
		return "", false
	}
	if i := strings.LastIndex(s, "[@ "); i >= 0 {
		return s[i+3 : len(s)-1], true
	}
	if strings.HasSuffix(s, "[None]") {
		return "", true
	}
	if i := strings.LastIndex(s, " ["); i >= 0 {
		return s[i+2 : len(s)-1], true
	}
	return "", false
}

// sanitizerSignature says what a sanitizer found and in which function, or else in which file:
// "AddressSanitizer: heap-use-after-free in f". Folders and line numbers are left out, since they
// differ from build to build. It is empty for a line without "SUMMARY: ".
//
//	SUMMARY: ThreadSanitizer: data race /a/Cell.h:572:21 in len    ThreadSanitizer: data race in len
//	SUMMARY: AddressSanitizer: SEGV ../../src/foo.h:80             AddressSanitizer: SEGV foo.h
func sanitizerSignature(s string) string {
	_, found, ok := strings.Cut(s, "SUMMARY: ")
	if !ok {
		return ""
	}
	tool, rest, _ := strings.Cut(found, ": ")
	what, function := rest, ""
	if i := strings.LastIndex(rest, " in "); i >= 0 {
		what, function = rest[:i], strings.TrimSpace(rest[i+len(" in "):])
	} else if cut, ok := strings.CutSuffix(strings.TrimSpace(rest), " in"); ok {
		what = cut
	}
	what, file := withoutPlace(strings.TrimSpace(what))
	out := tool + ": " + what
	switch {
	case function != "":
		return out + " in " + function
	case file != "":
		return out + " " + file
	}
	return out
}

// withoutPlace cuts the place off a finding, and returns the name of its file too:
// "SEGV ../../src/foo.h:80" is "SEGV" and "foo.h". The place begins with the first word, but not the
// very first, that has a slash, a line number or an angle bracket; "data race" has none, and stays whole.
func withoutPlace(what string) (found, file string) {
	if head, tail, ok := strings.Cut(what, " ("); ok && strings.HasSuffix(tail, ")") &&
		(strings.ContainsAny(tail, `/\+`) || tail[0] == '<') {
		return strings.TrimSpace(head), "" // "(/usr/lib/libfoo.so+0x1234)", "(<unknown module>)"
	}
	words := strings.Fields(what)
	for i, w := range words {
		if i == 0 {
			continue
		}
		name := w[strings.LastIndexAny(w, `/\`)+1:]
		bare := name
		colon := func() int { return strings.LastIndexByte(bare, ':') }
		for j := colon(); j > 0 && digits(bare[j+1:]) == len(bare)-j-1; j = colon() {
			bare = bare[:j]
		}
		switch {
		case w == "<null>":
			return strings.Join(words[:i], " "), ""
		case name != w || bare != name || strings.HasPrefix(name, "<"):
			return strings.Join(words[:i], " "), bare
		}
	}
	return what, ""
}
