-- Prosody 0.12 knows tls-unique alone, which there is not with TLS 1.3. The other two, for its own SCRAM, out of its own TLS library;
-- every user's password is "secret".
local new_sasl = require "util.sasl".new;
local sasl = require "util.sasl";
local from_hex = require "util.hex".decode;

local all = { "tls-unique", "tls-exporter", "tls-server-end-point" };
require "util.sasl.scram".init(function (name, backends, f, bound)
	sasl.registerMechanism(name, backends, f, bound and all);
end);

-- The certificate of `ssl`, which is signed with SHA-256.
local file = assert(io.open(module:get_option_string("bound_certificate")));
local end_point = from_hex(require "ssl.x509".load(file:read("a")):digest("sha256"));
file:close();

local bindings = {
	["tls-exporter"] = function (self)
		return self.userdata["tls-unique"]:exportkeyingmaterial("EXPORTER-Channel-Binding", 32, "");
	end;
	["tls-server-end-point"] = function () return end_point; end;
};

local provider = {};
function provider.test_password(_, password) return password == "secret"; end
function provider.get_password() return "secret"; end
function provider.user_exists() return true; end
function provider.set_password() return nil, "not here"; end
function provider.create_user() return nil, "not here"; end
function provider.delete_user() return nil, "not here"; end
function provider.get_sasl_handler()
	return new_sasl(module.host, { plain = function () return "secret", true; end, cb = bindings });
end
module:provides("auth", provider);
