package server

import (
	"log/slog"
	"net/http"
	"time"
)

// HTTPServer returns an http.Server on an address that lets nobody hold a connection
// without asking for something: headers have 5 seconds and 16 KiB, an idle connection 60
// seconds. How long a request may take is the Door's. What net/http has to say goes to the
// logger; nil discards it.
func HTTPServer(addr string, h http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Addr: addr, Handler: h,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
