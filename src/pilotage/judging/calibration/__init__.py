"""Is this confidence good enough to route on? Pure numerics: arrays in, figures with intervals out; nothing is stored here.

A :class:`Sample` holds confidence, truth, slices and inclusion probabilities, and refuses what could only mislead. :func:`calibration_report`
measures it (calibration against its own noise, ranking, slices), certifies a threshold (:func:`certify`: Learn-then-Test) and answers with a
verdict: ROUTABLE, RECALIBRATE or HUMAN_ONLY, and every reason. :func:`recalibrate` mends a confidence that is off. :class:`Watch` raises an alarm
when audited outputs are wrong more often than was promised. :mod:`.economics` and :mod:`.capacity` say whether routing pays and how many
reviewers it takes. What each figure promises is a :class:`Guarantee`: selective, marginal or of a set; they are three different things.
"""
