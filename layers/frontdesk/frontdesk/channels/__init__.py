"""One module per way in and out; each reads its wire format into Inbound and delivers an Outbound."""
