package service

import (
	"errors"
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/handlers/echov4"
	"github.com/fluxwire-go/fluxwire/metrics"
	"github.com/fluxwire-go/fluxwire/web"
)

var readMethods = []string{http.MethodGet, http.MethodHead}

// routes is everything that is served on the public address.
func (s *Service) routes() http.Handler {
	e := newEcho()
	for _, route := range s.streamRoutes() {
		e.Any(route.path, echov4.Handler(route.handler))
	}
	e.Any("/ping", echo.WrapHandler(s.streams.Methods(http.HandlerFunc(s.ping), "GET", "POST")))
	page := echo.WrapHandler(web.Handler())
	for _, path := range web.Paths() {
		e.Match(readMethods, path, page)
	}
	if s.cfg.AdminAddr == "" {
		s.operations(e)
	}
	return e
}

// adminRoutes is everything that is served on the admin address.
func (s *Service) adminRoutes() http.Handler {
	e := newEcho()
	s.operations(e)
	e.GET("/debug/pprof/*", echo.WrapHandler(http.HandlerFunc(pprof.Index)))
	e.GET("/debug/pprof/cmdline", echo.WrapHandler(http.HandlerFunc(pprof.Cmdline)))
	e.GET("/debug/pprof/profile", echo.WrapHandler(http.HandlerFunc(pprof.Profile)))
	e.GET("/debug/pprof/symbol", echo.WrapHandler(http.HandlerFunc(pprof.Symbol)))
	e.GET("/debug/pprof/trace", echo.WrapHandler(http.HandlerFunc(pprof.Trace)))
	return e
}

// operations adds health and metrics. Pages of other origins cannot read them: CORS
// does not apply to them.
func (s *Service) operations(e *echo.Echo) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		metrics.NewBuildCollector(),
		metrics.NewCollector(s.streams),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, topic := range s.builtin.topics() {
		registry.MustRegister(metrics.NewTopicCollector(topic))
	}
	e.Match(readMethods, "/metrics", echo.WrapHandler(promhttp.HandlerFor(registry, promhttp.HandlerOpts{})))
	e.Match(readMethods, "/healthz/live", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	e.Match(readMethods, "/healthz/ready", func(c echo.Context) error {
		if s.streams.Draining() {
			return &handlers.Problem{Status: http.StatusServiceUnavailable, Detail: "the server is shutting down"}
		}
		return c.String(http.StatusOK, "ok\n")
	})
}

// newEcho returns an Echo whose errors are all problem documents.
func newEcho() *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		handlers.WriteProblem(c.Response(), problem(err, c))
	}
	e.Use(middleware.Recover())
	return e
}

// problem turns errors of Echo into problems.
func problem(err error, c echo.Context) error {
	he, ok := errors.AsType[*echo.HTTPError](err)
	if !ok {
		return err
	}
	p := &handlers.Problem{Status: he.Code}
	switch he.Code {
	case http.StatusNotFound:
		p.Detail = "nothing is served at " + c.Request().URL.Path
	case http.StatusMethodNotAllowed:
		p.Detail = c.Request().Method + " is not served here; use " + c.Response().Header().Get("Allow")
	}
	return p
}
