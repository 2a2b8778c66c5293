// Bodies of forms with a file: multipart/form-data (RFC 7578).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "serve/http/http.h"

namespace stemsmith {

bool IsMultipart(const HttpRequest& request);

// Gives the content of the one file of the form to the sink that `open` makes when the file begins.
// `name` is what the client calls the file: UTF-8 text without control characters, never a path to
// use. The other fields, of up to 4 KiB each, become request.query: those before the file are there
// when `open` is called, all others when the sink's Finish() is. `request` must live as long.
//
// Take() and Finish() throw HttpError 400 where the form is not well-formed, has no file or two of
// them; this function where the request names no boundary. What is kept in memory is a part's
// header or a field at most.
std::unique_ptr<HttpBodySink> MakeMultipartSink(
    HttpRequest& request,
    std::function<std::unique_ptr<HttpBodySink>(const std::string& name)> open);

}  // namespace stemsmith
