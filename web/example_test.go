package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/fluxwire-go/fluxwire/web"
)

func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/app/", http.StripPrefix("/app", web.Handler()))

	res := httptest.NewRecorder()
	mux.ServeHTTP(res, httptest.NewRequest("GET", "/app/style.css", nil))
	fmt.Println(res.Code, res.Header().Get("Content-Type"))
	// Output: 200 text/css; charset=utf-8
}
