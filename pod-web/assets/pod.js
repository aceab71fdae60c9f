// The one script of the dashboard. Every page works without it.
"use strict";
