// Package page tests the page of package web in a browser, with streams that the
// test writes by hand.
package page
