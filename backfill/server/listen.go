package server

import (
	"log/slog"
	"net/http"
	"time"
)

// HTTPServer returns an http.Server that drops connections which do nothing: headers must arrive
// within 5 seconds and have at most 16 KiB, and an idle connection is closed after 60 seconds. How
// long a request may take is for the Door to say. The messages of net/http go to log; nil discards
// them.
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
