"""The pages: one module a noun, thin. They ask ``queries``, and fill a template."""
