package server

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/mozci/mozci/internal/phrase"
)

//go:embed page
var pageFiles embed.FS

// assets are the files that a browser loads with a screen: style, scripts, icon. Their addresses
// contain a hash of the content (/page/page.js?v=…), so a browser may keep them for a year and
// still loads the new file after an update. content and hash are by the file's name, page.js. A
// hash is 16 hexadecimal digits.
type assets struct {
	content map[string][]byte
	hash    map[string]string
}

// assetTypes are the types of files that a browser may load; the templates beside them are not
// among them.
var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// loadAssets reads the files that were built into the program.
func loadAssets() *assets {
	a := &assets{content: map[string][]byte{}, hash: map[string]string{}}
	list, err := fs.ReadDir(pageFiles, "page")
	if err != nil {
		panic(err) // the files are part of the program
	}
	for _, e := range list {
		if assetTypes[path.Ext(e.Name())] == "" {
			continue
		}
		text, err := pageFiles.ReadFile("page/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(text)
		a.content[e.Name()], a.hash[e.Name()] = text, hex.EncodeToString(sum[:8])
	}
	return a
}

// link is the address of a file, with its hash.
func (a *assets) link(name string) string { return "/page/" + name + "?v=" + a.hash[name] }

// serve answers with a file. An address with the right hash may be kept for a year; any other must
// be checked each time, or an old script would meet a new page.
func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	text, ok := a.content[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h, tag := w.Header(), `"`+a.hash[name]+`"`
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == a.hash[name] {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", assetTypes[path.Ext(name)])
	_, _ = w.Write(text)
}

// screens are the templates by the name of their file. Each is parsed together with the layout and
// the parts that several screens share.
type screens map[string]*template.Template

// loadScreens parses the templates. A mistake in one stops the program when it starts, not when
// somebody opens the screen.
func loadScreens(a *assets) screens {
	shared := template.New("").Funcs(template.FuncMap{
		"asset": a.link, "count": count, "plural": plural, "upper": upper, "clock": clock, "day": day,
		"stamp": stamp, "iso": iso, "percent": phrase.Percent, "list": func(s ...any) []any { return s },
		// The only address with a scheme other than http that the pages have.
		"safe": func(bookmark string) template.URL { return template.URL(bookmark) }, //nolint:gosec // ours: bookmarklet
	})
	template.Must(shared.ParseFS(pageFiles, "page/layout.html", "page/parts.html", "page/form.html"))
	out := screens{}
	for _, name := range []string{"start", "backfill", "history", "sure", "trouble", "day", "chooser", "chosen"} {
		one := template.Must(shared.Clone())
		out[name] = template.Must(one.ParseFS(pageFiles, "page/"+name+".html"))
	}
	return out
}
