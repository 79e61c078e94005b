"use strict";

// Without `validatorUrl: null` the page would show a badge of a server that checks documents.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "list",
  tryItOutEnabled: false,
  validatorUrl: null,
});
