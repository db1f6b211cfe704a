"""Other formulations of the meta-gradient's target, and what each costs ([Liu2022], Appendix B)."""
